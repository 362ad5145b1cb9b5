//! The head: how far the journal goes, signed, and kept where the signing key is.
//!
//! A chain does not show that its end was cut off. The store may be ahead of its head (the program
//! may die between the two writes), but never behind it.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use akeso_core::digest::{from_hex, hex};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::signing::{PublicKey, Signer, Statement, folder_of};

/// How far a journal goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// From this entry on, every one is signed.
    pub signed_from: u64,
    /// The last entry.
    pub seq: u64,
    /// Its hash.
    pub hash: String,
    signature: String,
}

impl Head {
    /// A head, signed.
    pub fn new(signed_from: u64, seq: u64, hash: String, signer: &Signer) -> Self {
        let mut head = Self {
            signed_from,
            seq,
            hash,
            signature: String::new(),
        };
        head.signature = hex(&signer.sign(head.statement()));
        head
    }

    /// Whether it is signed with this key.
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        from_hex::<64>(&self.signature)
            .is_some_and(|signature| key.verifies(self.statement(), &signature))
    }

    fn statement(&self) -> Statement<'_> {
        Statement::Head {
            signed_from: self.signed_from,
            seq: self.seq,
            hash: &self.hash,
        }
    }
}

/// Where the head of a store is.
#[derive(Debug, Clone)]
pub struct HeadFile(PathBuf);

impl HeadFile {
    /// The head of the store at `store`, beside the signing key at `key`. Stores of the same name
    /// are told apart by a digest of where they are.
    pub fn of(store: &Path, key: &Path) -> Self {
        let name = store.file_name().unwrap_or_default();
        // the folder as it really is, however it was typed; the file itself may not be there yet
        let folder = folder_of(store);
        let place = std::fs::canonicalize(folder)
            .unwrap_or_else(|_| folder.to_owned())
            .join(name);
        let digest = hex(&Sha256::digest(place.as_os_str().as_encoded_bytes())[..6]);
        let name = format!("{}-{digest}.head", name.to_string_lossy());
        Self(folder_of(key).join(name))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The head, if there is one.
    pub fn read(&self) -> Result<Option<Head>, String> {
        match std::fs::read_to_string(&self.0) {
            Ok(text) => serde_json::from_str(&text)
                .map(Some)
                .map_err(|error| format!("the head {} is damaged: {error}", self.0.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!(
                "the head {} cannot be read: {error}",
                self.0.display()
            )),
        }
    }

    /// Puts a head in the place of the one before it, whole or not at all.
    pub fn write(&self, head: &Head) -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder_of(&self.0))?;
        serde_json::to_writer(&mut file, head)?;
        file.write_all(b"\n")?;
        file.as_file().sync_all()?;
        file.persist(&self.0)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_reads_back_and_is_its_signers_alone() {
        let folder = tempfile::tempdir().unwrap();
        let signer = |name: &str| Signer::load_or_make(&folder.path().join(name)).unwrap();
        let (mine, other) = (signer("mine.pem"), signer("other.pem"));
        let file = HeadFile::of(Path::new("akeso.db"), &folder.path().join("mine.pem"));
        assert_eq!(file.read(), Ok(None));
        let head = Head::new(1, 7, "3a".to_owned(), &mine);
        file.write(&head).unwrap();
        assert_eq!(file.read(), Ok(Some(head.clone())));
        assert!(head.is_signed_by(&mine.public()) && !head.is_signed_by(&other.public()));
        let moved = Head { seq: 6, ..head };
        assert!(!moved.is_signed_by(&mine.public()));
    }

    #[test]
    fn stores_of_one_name_have_heads_of_their_own_however_they_are_typed() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("a")).unwrap();
        let head = |store: &str| HeadFile::of(&folder.path().join(store), Path::new("key.pem")).0;
        assert_ne!(head("akeso.db"), head("a/akeso.db"));
        assert_eq!(head("akeso.db"), head("a/../akeso.db"));
    }
}
