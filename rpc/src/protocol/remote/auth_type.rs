//! Ways to authenticate.

named_values! {
    /// A way to authenticate (WIRE.md section 5).
    AuthType { NONE = 0, SASL = 1, POLKIT = 2 }
}
