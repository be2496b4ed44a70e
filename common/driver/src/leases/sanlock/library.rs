//! `libsanlock_client`, loaded when it is asked for: a host without sanlock needs nothing of it.
//!
//! Facts: `sanlock.h`, `sanlock_admin.h`, `sanlock_resource.h`, `sanlock_rv.h` of sanlock 3.8, whose
//! structures have been the same since 2.0. Every call but [`Library::register`] and its like asks
//! sanlock's daemon and waits for its answer, which takes as long as the storage does.

#![allow(
    unsafe_code,
    reason = "a C library: its calls, its structures, the memory that it gives out"
)]

use std::ffi::{CStr, c_char, c_int};
use std::fmt;

use super::super::resource::{Area, Resource};

/// The library by the name that its binary interface has.
const NAME: &str = "libsanlock_client.so.1";

/// Room for a name; one more than names may be long here, for libvirt ends them with a NUL.
pub(super) const NAME_ROOM: usize = 48;
/// Room for a path and its NUL.
pub(super) const PATH_ROOM: usize = 1024;
/// Room for the program that is run when leases are lost, and for its arguments.
pub(super) const HELPER_ROOM: usize = 128;

const RES_LVER: u32 = 0x1;
const RES_SHARED: u32 = 0x4;
const INQ_WAIT: u32 = 0x1;
const RESTRICT_ALL: u32 = 0x1;
const HOST_MASK: u32 = 0xf;
const HOST_FREE: u32 = 2;
const HOST_DEAD: u32 = 5;

#[repr(C)]
struct RawDisk {
    path: [c_char; PATH_ROOM],
    offset: u64,
    pad1: u32,
    pad2: u32,
}

#[repr(C)]
struct RawResource {
    lockspace_name: [c_char; NAME_ROOM],
    name: [c_char; NAME_ROOM],
    lver: u64,
    data64: u64,
    data32: u32,
    unused: u32,
    flags: u32,
    num_disks: u32,
    /// One, where the library allows several.
    disk: RawDisk,
}

#[repr(C)]
struct RawLockspace {
    name: [c_char; NAME_ROOM],
    host_id: u64,
    flags: u32,
    host_id_disk: RawDisk,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct RawHost {
    host_id: u64,
    generation: u64,
    timestamp: u64,
    io_timeout: u32,
    flags: u32,
}

#[repr(C)]
struct RawOptions {
    owner_name: [c_char; NAME_ROOM],
    flags: u32,
    len: u32,
}

// What the headers' structures measure where they were written down.
const _: () = assert!(size_of::<RawDisk>() == 1040);
const _: () = assert!(size_of::<RawResource>() == 128 + 1040);
const _: () = assert!(size_of::<RawLockspace>() == 64 + 1040);
const _: () = assert!(size_of::<RawHost>() == 32);
const _: () = assert!(size_of::<RawOptions>() == 56);

/// What a call answered that did not do its work: an error number of the system's, or one of
/// `sanlock_rv.h`, negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Code(pub c_int);

impl Code {
    pub(super) const NOT_THERE: Self = Self(-nix::libc::ENOENT);
    pub(super) const THERE_ALREADY: Self = Self(-nix::libc::EEXIST);
    pub(super) const UNDER_WAY: Self = Self(-nix::libc::EINPROGRESS);
    pub(super) const IN_A_MOMENT: Self = Self(-nix::libc::EAGAIN);
    pub(super) const NO_PROCESS: Self = Self(-nix::libc::ESRCH);
    pub(super) const NO_SPACE: Self = Self(-nix::libc::ENOSPC);
    /// The lease has another version than the one that was asked for.
    pub(super) const OTHER_VERSION: Self = Self(-240);

    /// Whether it is the system's rather than sanlock's own.
    pub(super) const fn is_system(self) -> bool {
        self.0 > -200
    }

    /// Whether sanlock's own socket could not be reached; its daemon gives neither for a lease.
    pub(super) const fn is_unreachable(self) -> bool {
        matches!(
            -self.0,
            nix::libc::ECONNREFUSED | nix::libc::EPIPE | nix::libc::ECONNRESET
        )
    }
}

/// A lock space and this host's place in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lockspace {
    pub name: String,
    pub host_id: u64,
    pub path: String,
}

/// A host of a lock space that holds a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    pub host_id: u64,
    pub generation: u64,
}

/// Who holds a lease.
#[derive(Debug, Default)]
pub(super) struct Owners {
    pub hosts: Vec<Owner>,
    pub shared: bool,
}

/// A lease of a guest as sanlock wrote it down.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Version {
    pub space: String,
    pub name: String,
    /// `None` for a shared one, which has none.
    pub version: Option<u64>,
}

macro_rules! functions {
    ($($field:ident: $symbol:literal fn($($arg:ty),*) -> $ret:ty;)*) => {
        /// The library's functions.
        struct Functions {
            $($field: unsafe extern "C" fn($($arg),*) -> $ret,)*
        }

        impl Functions {
            fn of(library: &libloading::Library) -> Result<Self, libloading::Error> {
                // SAFETY: the types are those of the headers of this binary interface, and the
                // library is never unloaded (see `Library`).
                unsafe { Ok(Self { $($field: *library.get($symbol)?,)* }) }
            }
        }
    };
}

functions! {
    register: b"sanlock_register\0" fn() -> c_int;
    restrict: b"sanlock_restrict\0" fn(c_int, u32) -> c_int;
    killpath: b"sanlock_killpath\0" fn(c_int, u32, *const c_char, *const c_char) -> c_int;
    acquire: b"sanlock_acquire\0"
        fn(c_int, c_int, u32, c_int, *const *mut RawResource, *mut RawOptions) -> c_int;
    release: b"sanlock_release\0"
        fn(c_int, c_int, u32, c_int, *const *mut RawResource) -> c_int;
    inquire: b"sanlock_inquire\0"
        fn(c_int, c_int, u32, *mut c_int, *mut *mut c_char) -> c_int;
    state_to_args: b"sanlock_state_to_args\0"
        fn(*mut c_char, *mut c_int, *mut *mut *mut RawResource) -> c_int;
    add_lockspace: b"sanlock_add_lockspace_timeout\0"
        fn(*mut RawLockspace, u32, u32) -> c_int;
    inq_lockspace: b"sanlock_inq_lockspace\0" fn(*mut RawLockspace, u32) -> c_int;
    get_lockspaces: b"sanlock_get_lockspaces\0"
        fn(*mut *mut RawLockspace, *mut c_int, u32) -> c_int;
    get_hosts: b"sanlock_get_hosts\0"
        fn(*const c_char, u64, *mut *mut RawHost, *mut c_int, u32) -> c_int;
    align: b"sanlock_align\0" fn(*mut RawDisk) -> c_int;
    write_lockspace: b"sanlock_write_lockspace\0"
        fn(*mut RawLockspace, c_int, u32, u32) -> c_int;
    write_resource: b"sanlock_write_resource\0"
        fn(*mut RawResource, c_int, c_int, u32) -> c_int;
    owners: b"sanlock_read_resource_owners\0"
        fn(*mut RawResource, u32, *mut *mut RawHost, *mut c_int) -> c_int;
    strerror: b"sanlock_strerror\0" fn(c_int) -> *const c_char;
}

/// The library, loaded once and never unloaded.
pub(super) struct Library {
    functions: Functions,
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAME)
    }
}

impl Library {
    /// # Errors
    /// What is missing, and what to install.
    pub(super) fn load() -> Result<Self, String> {
        let failed = |e: libloading::Error| {
            format!(
                "lock_manager is \"sanlock\", whose library {NAME} can't be loaded; install sanlock: {e}"
            )
        };
        // SAFETY: the library has no initialisers but the compiler's own.
        let library = unsafe { libloading::Library::new(NAME) }.map_err(failed)?;
        let functions = Functions::of(&library).map_err(failed)?;
        // Its functions are called as long as the program runs.
        std::mem::forget(library);
        Ok(Self { functions })
    }

    /// What the library says of a code.
    pub(super) fn describe(&self, code: Code) -> String {
        if code.is_system() {
            return nix::errno::Errno::from_raw(-code.0).desc().to_owned();
        }
        // SAFETY: a constant text of the library's, or NULL.
        let text = unsafe {
            let text = (self.functions.strerror)(code.0);
            (!text.is_null()).then(|| CStr::from_ptr(text).to_string_lossy().into_owned())
        };
        match text {
            Some(text) if !text.is_empty() => text,
            _ => format!("sanlock error {}", code.0),
        }
    }

    /// Connects the calling process to sanlock: the connection stands for the process, and whatever
    /// is acquired for the process is given back when it is closed. No memory is allocated.
    ///
    /// # Errors
    /// That of the connection.
    pub(super) fn register(&self) -> Result<c_int, Code> {
        // SAFETY: no arguments; it opens a socket, connects it, and writes a message.
        positive(unsafe { (self.functions.register)() })
    }

    /// Nothing more is asked over that connection. No memory is allocated.
    pub(super) fn restrict(&self, connection: c_int) -> Result<(), Code> {
        // SAFETY: a number, whatever it is; it writes a message and reads the answer.
        done(unsafe { (self.functions.restrict)(connection, RESTRICT_ALL) })
    }

    /// The program that sanlock runs, rather than ending the process, when its leases are lost. No
    /// memory is allocated.
    pub(super) fn killpath(
        &self,
        connection: c_int,
        program: &CStr,
        arguments: &CStr,
    ) -> Result<(), Code> {
        // SAFETY: texts that end with NUL and are only read; the callee bounds what it copies.
        done(unsafe {
            (self.functions.killpath)(connection, 0, program.as_ptr(), arguments.as_ptr())
        })
    }

    /// Takes one lease for a process that is registered. Waits while its holder may be dead.
    pub(super) fn acquire(
        &self,
        pid: c_int,
        resource: &Resource,
        version: Option<u64>,
        owner: &str,
    ) -> Result<(), Code> {
        let mut raw = raw_resource(resource)?;
        if let Some(version) = version {
            raw.flags |= RES_LVER;
            raw.lver = version;
        }
        let mut options = RawOptions {
            owner_name: [0; NAME_ROOM],
            flags: 0,
            len: 0,
        };
        // A label: what doesn't fit is cut off, at a whole character.
        let mut end = owner.len().min(NAME_ROOM - 1);
        while !owner.is_char_boundary(end) {
            end -= 1;
        }
        copy(
            &mut options.owner_name,
            owner.get(..end).unwrap_or_default(),
        )?;
        let list = [&raw mut *raw];
        // SAFETY: one resource with one disk, as the count says, and options without a text behind
        // them; all live over the call.
        done(unsafe { (self.functions.acquire)(-1, pid, 0, 1, list.as_ptr(), &raw mut options) })
    }

    /// Gives one lease of a registered process back.
    pub(super) fn release(&self, pid: c_int, resource: &Resource) -> Result<(), Code> {
        let mut raw = raw_resource(resource)?;
        let list = [&raw mut *raw];
        // SAFETY: one resource with one disk, as the count says; it lives over the call.
        done(unsafe { (self.functions.release)(-1, pid, 0, 1, list.as_ptr()) })
    }

    /// What a registered process holds, in sanlock's notation; empty for nothing.
    pub(super) fn inquire(&self, pid: c_int) -> Result<String, Code> {
        let (mut count, mut state) = (0, std::ptr::null_mut());
        // SAFETY: places for a number and for a text that is ours afterwards.
        done(unsafe { (self.functions.inquire)(-1, pid, 0, &raw mut count, &raw mut state) })?;
        if state.is_null() {
            return Ok(String::new());
        }
        // SAFETY: a text that ends with NUL, allocated by the C library for us to free.
        unsafe {
            let text = CStr::from_ptr(state).to_string_lossy().into_owned();
            nix::libc::free(state.cast());
            Ok(text)
        }
    }

    /// Reads what [`Self::inquire`] said.
    pub(super) fn versions(&self, state: &str) -> Result<Vec<Version>, Code> {
        let Ok(text) = std::ffi::CString::new(state) else {
            return Err(Code(-nix::libc::EINVAL));
        };
        // The library cuts the text into pieces.
        let mut text = text.into_bytes_with_nul();
        let (mut count, mut list) = (0, std::ptr::null_mut());
        // SAFETY: a text of ours that ends with NUL, and places for a number and a list.
        done(unsafe {
            (self.functions.state_to_args)(text.as_mut_ptr().cast(), &raw mut count, &raw mut list)
        })?;
        let mut versions = Vec::new();
        if list.is_null() {
            return Ok(versions);
        }
        // SAFETY: a list of that many pointers to resources, all of them allocated by the C library
        // for us to free. Only what stands before the disks is looked at: there may be none.
        unsafe {
            for place in 0..usize::try_from(count).unwrap_or(0) {
                let one = *list.add(place);
                if one.is_null() {
                    continue;
                }
                let flags = (&raw const (*one).flags).read();
                let lver = (&raw const (*one).lver).read();
                versions.push(Version {
                    space: text_of(&(&raw const (*one).lockspace_name).read()),
                    name: text_of(&(&raw const (*one).name).read()),
                    version: (flags & RES_SHARED == 0).then_some(lver),
                });
                nix::libc::free(one.cast());
            }
            nix::libc::free(list.cast());
        }
        Ok(versions)
    }

    /// Joins a lock space: takes seconds at best, minutes when this host died in it. 0 seconds is
    /// sanlock's own timeout.
    pub(super) fn add_lockspace(&self, space: &Lockspace, io_timeout: u32) -> Result<(), Code> {
        let mut raw = raw_lockspace(space)?;
        // SAFETY: a structure that lives over the call.
        done(unsafe { (self.functions.add_lockspace)(&raw mut *raw, 0, io_timeout) })
    }

    /// Whether this host is in the lock space; with `wait`, whether it is once it has joined or left.
    pub(super) fn inq_lockspace(&self, space: &Lockspace, wait: bool) -> Result<(), Code> {
        let mut raw = raw_lockspace(space)?;
        let flags = if wait { INQ_WAIT } else { 0 };
        // SAFETY: a structure that lives over the call.
        done(unsafe { (self.functions.inq_lockspace)(&raw mut *raw, flags) })
    }

    /// The lock spaces that this host is in.
    pub(super) fn lockspaces(&self) -> Result<Vec<(String, u64)>, Code> {
        let (mut list, mut count) = (std::ptr::null_mut(), 0);
        // SAFETY: places for a list and a number.
        done(unsafe { (self.functions.get_lockspaces)(&raw mut list, &raw mut count, 0) })?;
        let mut spaces = Vec::new();
        if list.is_null() {
            return Ok(spaces);
        }
        // SAFETY: an array of that many, allocated by the C library for us to free.
        unsafe {
            for place in 0..usize::try_from(count).unwrap_or(0) {
                let one = &*list.add(place);
                spaces.push((text_of(&one.name), one.host_id));
            }
            nix::libc::free(list.cast());
        }
        Ok(spaces)
    }

    /// Whether that host may still be using the lease: it is alive, or not yet known to be dead.
    pub(super) fn may_live(&self, space: &str, owner: Owner) -> bool {
        let Ok(name) = std::ffi::CString::new(space) else {
            return true;
        };
        let (mut list, mut count) = (std::ptr::null_mut(), 0);
        // SAFETY: a text that ends with NUL, places for a list and a number.
        let answered = done(unsafe {
            (self.functions.get_hosts)(
                name.as_ptr(),
                owner.host_id,
                &raw mut list,
                &raw mut count,
                0,
            )
        });
        if answered.is_err() || list.is_null() {
            return true;
        }
        // SAFETY: as `count` says; see `hosts_of`.
        let hosts = unsafe { hosts_of(list, count) };
        hosts.iter().any(|host| {
            let state = host.flags & HOST_MASK;
            host.host_id == owner.host_id
                && host.generation == owner.generation
                && state != HOST_FREE
                && state != HOST_DEAD
        })
    }

    /// Who holds the lease, as its storage says.
    pub(super) fn owners(&self, resource: &Resource) -> Result<Owners, Code> {
        let mut raw = raw_resource(resource)?;
        raw.flags = 0;
        let (mut list, mut count) = (std::ptr::null_mut(), 0);
        // SAFETY: a resource with one disk, places for a list and a number.
        done(unsafe { (self.functions.owners)(&raw mut *raw, 0, &raw mut list, &raw mut count) })?;
        if list.is_null() {
            return Ok(Owners::default());
        }
        // SAFETY: as `count` says; see `hosts_of`.
        let hosts = unsafe { hosts_of(list, count) };
        let owners = hosts.iter().map(|host| Owner {
            host_id: host.host_id,
            generation: host.generation,
        });
        Ok(Owners {
            hosts: owners.collect(),
            shared: raw.flags & RES_SHARED != 0,
        })
    }

    /// How many bytes a lease takes at that path.
    pub(super) fn align(&self, path: &str) -> Result<u64, Code> {
        let mut disk = raw_disk(path, 0)?;
        // SAFETY: a structure that lives over the call.
        let size = positive(unsafe { (self.functions.align)(&raw mut *disk) })?;
        Ok(u64::try_from(size).unwrap_or(0))
    }

    /// Makes a lock space on its storage.
    pub(super) fn write_lockspace(&self, space: &Lockspace, io_timeout: u32) -> Result<(), Code> {
        let mut raw = raw_lockspace(space)?;
        // SAFETY: a structure that lives over the call.
        done(unsafe { (self.functions.write_lockspace)(&raw mut *raw, 0, 0, io_timeout) })
    }

    /// Makes a lease on its storage.
    pub(super) fn write_resource(&self, resource: &Resource) -> Result<(), Code> {
        let mut raw = raw_resource(resource)?;
        raw.flags = 0;
        // SAFETY: a resource with one disk that lives over the call.
        done(unsafe { (self.functions.write_resource)(&raw mut *raw, 0, 0, 0) })
    }
}

/// # Safety
/// `list` points to `count` hosts that the C library allocated for us to free.
unsafe fn hosts_of(list: *mut RawHost, count: c_int) -> Vec<RawHost> {
    // SAFETY: the caller's.
    unsafe {
        let hosts = (0..usize::try_from(count).unwrap_or(0)).map(|place| *list.add(place));
        let hosts = hosts.collect();
        nix::libc::free(list.cast());
        hosts
    }
}

fn done(answer: c_int) -> Result<(), Code> {
    positive(answer).map(|_| ())
}

fn positive(answer: c_int) -> Result<c_int, Code> {
    match answer {
        code if code < 0 => Err(Code(code)),
        value => Ok(value),
    }
}

fn copy(room: &mut [c_char], text: &str) -> Result<(), Code> {
    // The last byte stays NUL.
    if text.len() >= room.len() || text.contains('\0') {
        return Err(Code(-nix::libc::ENAMETOOLONG));
    }
    for (place, byte) in room.iter_mut().zip(text.bytes()) {
        *place = byte.cast_signed();
    }
    Ok(())
}

fn text_of(room: &[c_char]) -> String {
    let bytes = room.iter().take_while(|byte| **byte != 0);
    let bytes: Vec<u8> = bytes.map(|byte| byte.cast_unsigned()).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn raw_disk(path: &str, offset: u64) -> Result<Box<RawDisk>, Code> {
    let mut disk = Box::new(RawDisk {
        path: [0; PATH_ROOM],
        offset,
        pad1: 0,
        pad2: 0,
    });
    copy(&mut disk.path, path)?;
    Ok(disk)
}

fn raw_resource(resource: &Resource) -> Result<Box<RawResource>, Code> {
    let Some(Area { path, offset }) = &resource.area else {
        return Err(Code(-nix::libc::EINVAL));
    };
    let mut raw = Box::new(RawResource {
        lockspace_name: [0; NAME_ROOM],
        name: [0; NAME_ROOM],
        lver: 0,
        data64: 0,
        data32: 0,
        unused: 0,
        flags: if resource.shared { RES_SHARED } else { 0 },
        num_disks: 1,
        disk: *raw_disk(path, *offset)?,
    });
    copy(&mut raw.lockspace_name, &resource.space)?;
    copy(&mut raw.name, &resource.name)?;
    Ok(raw)
}

fn raw_lockspace(space: &Lockspace) -> Result<Box<RawLockspace>, Code> {
    let mut raw = Box::new(RawLockspace {
        name: [0; NAME_ROOM],
        host_id: space.host_id,
        flags: 0,
        host_id_disk: *raw_disk(&space.path, 0)?,
    });
    copy(&mut raw.name, &space.name)?;
    Ok(raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_too_long_are_not_cut() {
        let mut room = [0; 4];
        copy(&mut room, "abc").unwrap();
        assert_eq!(text_of(&room), "abc");
        assert!(copy(&mut room, "abcd").is_err());
        assert!(copy(&mut room, "a\0").is_err());
    }

    #[test]
    fn what_a_guest_held_is_read_back() {
        let Ok(library) = Library::load() else {
            println!("SKIPPED: needs sanlock's library");
            return;
        };
        let state = "s:a:/p:0:7 s:b:/q\\:r:1048576:SH";
        let version = |name: &str, version| Version {
            space: "s".to_owned(),
            name: name.to_owned(),
            version,
        };
        let expected = [version("a", Some(7)), version("b", None)];
        assert_eq!(library.versions(state).unwrap(), expected);
        assert_eq!(library.describe(Code(-2)), "No such file or directory");
        assert!(!library.describe(Code::OTHER_VERSION).is_empty());
    }
}
