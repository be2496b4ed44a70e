//! A status file: what a running container needs to be found again by the next daemon, in libvirt's
//! format (WIRE.md section 26).

use std::sync::Arc;

use virt_domain::Domain;
use virt_driver::State;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::{Element, Node, Tag, Tree, Writer};

/// A running container as its status file tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// Its state.
    pub state: State,
    /// Its controller.
    pub controller: i32,
    /// Its first process; 0 when it is not known.
    pub init: i32,
    /// Whether its output goes through virtlogd.
    pub logs_through_logd: bool,
    /// What it is made of.
    pub domain: Arc<Domain>,
}

#[derive(Debug, Clone, PartialEq, Element)]
struct Document {
    #[xml(attr)]
    state: String,
    #[xml(attr)]
    reason: String,
    #[xml(attr)]
    pid: i32,
    #[xml(child)]
    init: Option<Init>,
    #[xml(flag = "chardevStdioLogd")]
    logs_through_logd: bool,
    #[xml(flatten)]
    rest: Rest,
}

#[derive(Debug, Clone, Copy, PartialEq, Element)]
struct Init {
    #[xml(attr)]
    pid: i32,
}

/// The container, and what another version keeps.
#[derive(Debug, Clone, PartialEq)]
struct Rest {
    domain: Option<Arc<Domain>>,
    _others: Vec<Tree>,
}

impl Element for Rest {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let domain = node.child::<Domain>("domain")?.map(Arc::new);
        Ok(Self {
            domain,
            _others: node.rest(),
        })
    }

    fn attrs(&self, _: &mut Tag<'_>) {}

    fn content(&self, out: &mut Writer) {
        out.maybe("domain", self.domain.as_deref());
    }
}

impl Status {
    /// The file's text, without the warning on top.
    pub fn to_xml(&self) -> String {
        let (state, reason) = self.state.words();
        let document = Document {
            state: state.to_owned(),
            reason: reason.to_owned(),
            pid: self.controller,
            init: Some(Init { pid: self.init }),
            logs_through_logd: self.logs_through_logd,
            rest: Rest {
                domain: Some(Arc::clone(&self.domain)),
                _others: Vec::new(),
            },
        };
        let mut out = Writer::of_driver();
        out.element("domstatus", &document);
        out.finish()
    }

    /// Reads a status file.
    ///
    /// # Errors
    /// XML_ERROR when it is none, or lacks what finding the container needs.
    pub fn read(text: &str) -> Result<Self> {
        let bad = |what: &str| Error::new(ErrorCode::XmlError, ErrorDomain::Lxc, what);
        let tree = virt_xml::parse(text)?;
        if tree.name != "domstatus" {
            return Err(bad("it is no status file"));
        }
        let (document, _) = virt_xml::read_of_driver::<Document>(&tree)?;
        let state = State::from_words(&document.state, &document.reason)
            .ok_or_else(|| bad("its state is unknown"))?;
        Ok(Self {
            state,
            controller: document.pid,
            init: document.init.map_or(0, |init| init.pid),
            logs_through_logd: document.logs_through_logd,
            domain: document
                .rest
                .domain
                .ok_or_else(|| bad("it has no <domain>"))?,
        })
    }
}
