//! What was said in a session, as plain text in a file beside the store: what was shown, asked,
//! answered, and what came of it. The engine holds no Secret's value, and what a person types is
//! written down only once it is accepted, as it may be shown.

use std::{
    fs::{DirBuilder, File, OpenOptions},
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use jiff::Timestamp;

/// The log of a session. The file is made with its first line.
#[derive(Debug)]
pub struct SessionLog {
    path: Option<PathBuf>,
    file: Option<File>,
}

impl SessionLog {
    /// A log in this file; none, if there is no path.
    pub const fn new(path: Option<PathBuf>) -> Self {
        Self { path, file: None }
    }

    /// Where the log of a session lies that begins now.
    pub fn default_path(store: &Path, now: Timestamp) -> PathBuf {
        let mut folder = store.as_os_str().to_owned();
        folder.push(".sessions");
        let name = now.strftime("%Y-%m-%dT%H-%M-%SZ.log").to_string();
        PathBuf::from(folder).join(name)
    }

    /// Where it lies, if anything was written.
    pub fn written_to(&self) -> Option<&Path> {
        self.file.as_ref()?;
        self.path.as_deref()
    }

    /// What was shown.
    pub fn shown(&mut self, text: &str) {
        let plain = anstream::adapter::strip_str(text).to_string();
        self.write(&plain);
    }

    /// A question and its answer.
    pub fn answered(&mut self, question: &str, answer: &str) {
        let at = Timestamp::now().strftime("%H:%M:%S");
        self.write(&format!("{at} > {question} {answer}\n"));
    }

    fn write(&mut self, text: &str) {
        let Some(path) = &self.path else {
            return;
        };
        let written = match &mut self.file {
            Some(file) => file.write_all(text.as_bytes()),
            none @ None => open(path).and_then(|file| none.insert(file).write_all(text.as_bytes())),
        };
        if let Err(error) = written {
            eprintln!(
                "akeso: the session cannot be written down in {}: {error}",
                path.display()
            );
            self.path = None;
        }
    }
}

/// What was diagnosed is for its reader's eyes, as the journal is.
fn open(path: &Path) -> std::io::Result<File> {
    if let Some(folder) = path.parent().filter(|it| !it.as_os_str().is_empty()) {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_was_shown_is_kept_without_colours_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = SessionLog::default_path(&folder.path().join("a.db"), Timestamp::UNIX_EPOCH);
        assert!(path.ends_with("a.db.sessions/1970-01-01T00-00-00Z.log"));
        let mut log = SessionLog::new(Some(path.clone()));
        assert_eq!(log.written_to(), None);
        log.shown("\u{1b}[31mcritical\u{1b}[0m it is broken\n");
        log.answered("Do it?", "no");
        let text = std::fs::read_to_string(log.written_to().unwrap()).unwrap();
        assert!(text.starts_with("critical it is broken\n"), "{text}");
        assert!(text.ends_with(" > Do it? no\n"), "{text}");
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_session_that_is_not_kept_leaves_nothing() {
        let mut log = SessionLog::new(None);
        log.shown("it is broken\n");
        assert_eq!(log.written_to(), None);
    }
}
