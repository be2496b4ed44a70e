//! A save image on disk. Everything here blocks.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use super::header::LENGTH;
use super::{Documents, Format, Header};

/// An image that is there, positioned at QEMU's stream.
#[derive(Debug)]
pub struct Image {
    path: PathBuf,
    file: File,
    /// What it says of itself.
    pub header: Header,
    /// Whom it is of.
    pub documents: Documents,
}

fn system(what: &str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let what = format!("{what} '{}'", path.display());
    move |cause| Error::system(ErrorDomain::Qemu, what, &cause)
}

fn failed(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::OperationFailed, ErrorDomain::Qemu, text)
}

impl Image {
    /// Opens an image; `write` to change its documents.
    ///
    /// # Errors
    /// SYSTEM_ERROR when it can't be opened, OPERATION_FAILED when it is no whole image.
    pub fn open(path: &Path, write: bool) -> Result<Self> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(write)
            .open(path)
            .map_err(system("Failed to open file", path))?;
        let mut head = [0; LENGTH];
        file.read_exact(&mut head)
            .map_err(|_| failed("failed to read qemu header"))?;
        let header = Header::read(&head).map_err(|why| failed(why.to_string()))?;
        let mut data = vec![0; usize::try_from(header.data_len).unwrap_or(0)];
        file.read_exact(&mut data)
            .map_err(|_| failed("failed to read domain XML"))?;
        let documents = Documents::read(&header, &data).map_err(|why| failed(why.to_string()))?;
        Ok(Self {
            path: path.to_owned(),
            file,
            header,
            documents,
        })
    }

    /// Refuses an image whose writing was cut off.
    ///
    /// # Errors
    /// OPERATION_FAILED.
    pub fn check_complete(&self) -> Result<()> {
        match self.header.complete {
            true => Ok(()),
            false => Err(failed("save image is incomplete")),
        }
    }

    /// QEMU's stream.
    pub(super) fn into_stream(self) -> File {
        self.file
    }

    /// Begins a new image: all but QEMU's stream, which goes behind it.
    ///
    /// # Errors
    /// SYSTEM_ERROR that names the file.
    pub(super) fn begin(
        path: &Path,
        documents: Documents,
        was_running: bool,
        format: Format,
    ) -> Result<Self> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            // A link planted in a folder that others write to must not lead elsewhere.
            .custom_flags(nix::libc::O_NOFOLLOW)
            .open(path)
            .map_err(system("Failed to create file", path))?;
        let (data, cookie_offset) = documents.to_data();
        let header = Header {
            complete: false,
            data_len: u32::try_from(data.len()).unwrap_or(u32::MAX),
            was_running,
            format,
            cookie_offset,
        };
        let written = file
            .write_all(&header.to_bytes())
            .and_then(|()| file.write_all(&data));
        if let Err(cause) = written {
            // The first failure is the one to tell.
            let _ = std::fs::remove_file(path);
            return Err(system("Failed to write header to", path)(cause));
        }
        Ok(Self {
            path: path.to_owned(),
            file,
            header,
            documents,
        })
    }

    /// Another descriptor for QEMU's stream, behind the head.
    ///
    /// # Errors
    /// SYSTEM_ERROR at a limit.
    pub(super) fn stream(&self) -> Result<std::os::fd::OwnedFd> {
        let file = self.file.try_clone();
        file.map(Into::into)
            .map_err(system("Failed to open file", &self.path))
    }

    /// Makes the image valid, once everything is on the disk. `uncached`: what was written does not
    /// stay in the host's cache.
    ///
    /// # Errors
    /// SYSTEM_ERROR that names the file.
    pub(super) fn complete(mut self, uncached: bool) -> Result<()> {
        let path = self.path.clone();
        self.file
            .sync_all()
            .map_err(system("unable to sync", &path))?;
        self.header.complete = true;
        self.write_head()
            .map_err(system("unable to write", &path))?;
        self.file
            .sync_all()
            .map_err(system("unable to sync", &path))?;
        if uncached {
            let whole = rustix::fs::Advice::DontNeed;
            // Only advice: the image is complete.
            let _ = rustix::fs::fadvise(&self.file, 0, None, whole);
        }
        Ok(())
    }

    /// Changes the documents and what the guest does when it goes on.
    ///
    /// # Errors
    /// OPERATION_FAILED when the new document does not fit, SYSTEM_ERROR.
    pub fn replace(mut self, xml: String, was_running: bool) -> Result<()> {
        self.documents.xml = xml;
        let room = self.header.data_len;
        let Some((data, offset)) = self.documents.to_data_within(room) else {
            return Err(failed("new xml too large to fit in file"));
        };
        self.header.cookie_offset = offset;
        self.header.was_running = was_running;
        let path = self.path.clone();
        self.write_head()
            .and_then(|()| self.file.write_all(&data))
            .and_then(|()| self.file.sync_all())
            .map_err(system("Failed to write to", &path))
    }

    fn write_head(&mut self) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&self.header.to_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(folder: &Path) -> Image {
        let documents = Documents {
            xml: "<domain/>".into(),
            cookie: None,
        };
        Image::begin(&folder.join("a.save"), documents, true, Format::Raw).unwrap()
    }

    #[test]
    fn an_image_is_valid_only_when_complete() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.save");
        let image = begin(folder.path());
        let error = Image::open(&path, false).unwrap().check_complete();
        assert_eq!(
            error.unwrap_err().message(),
            "operation failed: save image is incomplete"
        );
        let mut stream = File::from(image.stream().unwrap());
        stream.write_all(b"QEVM").unwrap();
        image.complete(true).unwrap();
        let image = Image::open(&path, false).unwrap();
        image.check_complete().unwrap();
        assert_eq!(image.documents.xml, "<domain/>");
        let mut rest = String::new();
        image.into_stream().read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "QEVM");
    }

    #[test]
    fn an_edit_leaves_the_stream_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.save");
        let image = begin(folder.path());
        let mut stream = File::from(image.stream().unwrap());
        stream.write_all(b"QEVM").unwrap();
        image.complete(false).unwrap();
        let image = Image::open(&path, true).unwrap();
        image
            .replace("<domain>other</domain>".into(), false)
            .unwrap();
        let image = Image::open(&path, false).unwrap();
        assert!(!image.header.was_running);
        assert_eq!(image.documents.xml, "<domain>other</domain>");
        let mut rest = String::new();
        image.into_stream().read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "QEVM");
        let image = Image::open(&path, true).unwrap();
        let error = image.replace("x".repeat(1 << 20), false).unwrap_err();
        assert!(error.message().contains("too large"), "{error}");
    }

    #[test]
    fn what_is_no_image_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bad.save");
        std::fs::write(&path, "nonsense\n").unwrap();
        let error = Image::open(&path, false).unwrap_err();
        assert_eq!(
            error.message(),
            "operation failed: failed to read qemu header"
        );
        let error = Image::open(&folder.path().join("none"), false).unwrap_err();
        assert!(
            error.message().starts_with("Failed to open file '"),
            "{error}"
        );
    }
}
