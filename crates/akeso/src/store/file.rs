//! The store's file: whose it is, who may write to it, where it lies.

use std::{
    fs::{File, OpenOptions, TryLockError},
    path::{Path, PathBuf},
};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::StoreError;

/// Refuses a file that is there and is something else, before anything of it is touched.
pub(super) fn check_is_ours(path: &Path) -> Result<(), StoreError> {
    let corrupt = |why: String| StoreError::Corrupt {
        path: path.to_owned(),
        why,
    };
    if std::fs::metadata(path).is_ok_and(|file| file.len() > 0) {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let tables: i64 = Connection::open_with_flags(path, flags)
            .and_then(|connection| {
                let ours = "SELECT count(*) FROM sqlite_master WHERE name = 'journal'";
                connection.query_row(ours, [], |row| row.get(0))
            })
            .map_err(|error| match error.sqlite_error_code() {
                // not there for us, which says nothing of what it is
                Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
                    StoreError::Unusable {
                        path: path.to_owned(),
                        why: error.to_string(),
                    }
                }
                _ => corrupt(error.to_string()),
            })?;
        if tables == 0 {
            return Err(corrupt("it has no journal".to_owned()));
        }
    }
    Ok(())
}

pub(super) fn lock(path: &Path) -> Result<File, StoreError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".lock");
    let unusable = |e: std::io::Error| StoreError::Unusable {
        path: path.to_owned(),
        why: e.to_string(),
    };
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(beside)
        .map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(unusable(error)),
    }
}

/// Whether a process writes to the store.
pub fn is_written(path: &Path) -> bool {
    matches!(lock(path), Err(StoreError::Locked(_)))
}

/// The journal holds specs of workloads: it is for its owner's eyes.
pub(super) fn restrict(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
}

/// Where the store is unless `--store` says otherwise: one for each cluster, named by its context,
/// in `$XDG_STATE_HOME/akeso` or `~/.local/state/akeso`.
pub fn default_path(context: &str) -> PathBuf {
    let state = std::env::var_os("XDG_STATE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    let folder = state
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".local/state")))
        .unwrap_or_else(|| PathBuf::from("/var/lib"));
    let name: String = context
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "-_.".contains(c) {
                c
            } else {
                '_'
            }
        })
        .collect();
    folder.join("akeso").join(format!("{name}.db"))
}
