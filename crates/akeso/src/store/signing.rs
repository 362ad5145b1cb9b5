//! Signatures: whoever can write to the store, but cannot read the signing key, cannot write a
//! journal that passes for Akeso's.
//!
//! The private key (PKCS#8 PEM) lies outside the store and is made on first use; its public key
//! lies beside it, so that a verifier needs no private key. What is signed is text, so that any
//! ed25519 tool can check it (docs/audit.md).

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use akeso_core::{digest::hex, retention::Segment};
use ed25519_dalek::{
    SECRET_KEY_LENGTH, Signature, Signer as _, SigningKey, VerifyingKey,
    pkcs8::{
        DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey, KeypairBytes,
        spki::der::pem::LineEnding,
    },
};
use sha2::{Digest, Sha256};

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The private key cannot be read or made.
    #[error("the signing key {path} cannot be used: {why}; without it the journal cannot be signed: mend it, or give another with --signing-key", path = .path.display())]
    Private {
        /// Where.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The public key cannot be read.
    #[error("the public key {path} cannot be read: {why}; name it with --public-key: it is the .pub.pem beside the signing key", path = .path.display())]
    Public {
        /// Where.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

/// What a signature is about. Each kind begins with words of its own, so that a signature of one
/// is none of another.
#[derive(Debug, Clone, Copy)]
pub enum Statement<'a> {
    /// The entry with this hash was written.
    Entry {
        /// Its hash.
        hash: &'a str,
    },
    /// These entries were taken out by retention.
    Sealed(&'a Segment),
    /// The journal goes at least so far.
    Head {
        /// From here on every entry is signed.
        signed_from: u64,
        /// The last entry.
        seq: u64,
        /// Its hash.
        hash: &'a str,
    },
}

impl Statement<'_> {
    fn text(self) -> String {
        match self {
            Self::Entry { hash } => format!("akeso journal entry v1\n{hash}\n"),
            Self::Sealed(segment) => format!(
                "akeso sealed segment v1\n{} {}\n{}\n{}\n",
                segment.first, segment.last, segment.previous, segment.hash
            ),
            Self::Head {
                signed_from,
                seq,
                hash,
            } => format!("akeso journal head v1\n{signed_from} {seq}\n{hash}\n"),
        }
    }
}

/// The private key at work.
#[derive(Debug)]
pub struct Signer(SigningKey);

impl Signer {
    /// Reads the key, or makes it where there is none, and writes its public key beside it.
    pub fn load_or_make(path: &Path) -> Result<Self, KeyError> {
        let unusable = |why: &dyn std::fmt::Display| KeyError::Private {
            path: path.to_owned(),
            why: why.to_string(),
        };
        if !path.try_exists().map_err(|e| unusable(&e))? {
            make(path).map_err(|why| unusable(&why))?;
        }
        let pem = std::fs::read_to_string(path).map_err(|e| unusable(&e))?;
        let key = SigningKey::from_pkcs8_pem(&pem)
            .map_err(|e| unusable(&format!("it is no ed25519 key in PKCS#8 PEM ({e})")))?;
        warn_if_exposed(path);
        let signer = Self(key);
        // a key that is mounted read-only signs all the same
        if let Err(error) = signer.publish(&public_path(path)) {
            tracing::warn!("the public key cannot be written beside the signing key: {error}");
        }
        Ok(signer)
    }

    /// Signs.
    pub fn sign(&self, statement: Statement<'_>) -> [u8; 64] {
        self.0.sign(statement.text().as_bytes()).to_bytes()
    }

    /// The key that verifies what this one signs.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    fn publish(&self, path: &Path) -> std::io::Result<()> {
        let pem = self
            .0
            .verifying_key()
            .to_public_key_pem(LineEnding::LF)
            .map_err(std::io::Error::other)?;
        if std::fs::read_to_string(path).is_ok_and(|found| found == pem) {
            return Ok(());
        }
        std::fs::write(path, pem)
    }
}

/// A key that verifies.
#[derive(Debug, Clone)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Reads a public key.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let unusable = |why: String| KeyError::Public {
            path: path.to_owned(),
            why,
        };
        let pem = std::fs::read_to_string(path).map_err(|e| unusable(e.to_string()))?;
        VerifyingKey::from_public_key_pem(&pem)
            .map(Self)
            .map_err(|e| unusable(format!("it is no ed25519 public key in PEM ({e})")))
    }

    /// The public key of a signing key, if there is one: from the file beside it, or from itself.
    /// Nothing is made.
    pub fn of_signing_key(path: &Path) -> Result<Option<Self>, KeyError> {
        let public = public_path(path);
        if public.exists() {
            return Self::read(&public).map(Some);
        }
        if path.exists() {
            return Signer::load_or_make(path).map(|signer| Some(signer.public()));
        }
        Ok(None)
    }

    /// Whether `signature` is this key's under `statement`.
    pub fn verifies(&self, statement: Statement<'_>, signature: &[u8]) -> bool {
        Signature::from_slice(signature).is_ok_and(|signature| {
            let text = statement.text();
            self.0.verify_strict(text.as_bytes(), &signature).is_ok()
        })
    }

    /// A short name for people to compare: 16 hexadecimal digits.
    pub fn id(&self) -> String {
        hex(&Sha256::digest(self.0.as_bytes())[..8])
    }
}

/// `signing-key.pem` → `signing-key.pub.pem`.
fn public_path(private: &Path) -> PathBuf {
    private.with_extension("pub.pem")
}

/// Makes a key. Whoever starts at the same moment gets the same one.
fn make(path: &Path) -> Result<(), String> {
    let mut seed = [0; SECRET_KEY_LENGTH];
    getrandom::fill(&mut seed).map_err(|e| e.to_string())?;
    // without the public key in it, which older OpenSSLs do not read
    let pair = KeypairBytes {
        secret_key: seed,
        public_key: None,
    };
    let pem = pair
        .to_pkcs8_pem(LineEnding::LF)
        .map_err(|e| e.to_string())?;
    let folder = folder_of(path);
    std::fs::create_dir_all(folder).map_err(|e| e.to_string())?;
    // a temporary file is its owner's alone (0600) from the beginning
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|e| e.to_string())?;
    file.write_all(pem.as_bytes()).map_err(|e| e.to_string())?;
    file.as_file().sync_all().map_err(|e| e.to_string())?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error.error.to_string()),
    }
}

/// A mounted Secret may be readable by its group; nobody else needs it.
fn warn_if_exposed(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    if std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o007 != 0) {
        tracing::warn!(
            "every user of this machine can read the signing key {path}: chmod 600 it",
            path = path.display()
        );
    }
}

/// The folder that a file lies in.
pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    }
}

/// Where the key is unless `--signing-key` says otherwise: `$XDG_CONFIG_HOME/akeso` or
/// `~/.config/akeso`.
pub fn default_path() -> PathBuf {
    let config = std::env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    let folder = config
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".config")))
        .unwrap_or_else(|| PathBuf::from("/etc"));
    folder.join("akeso/signing-key.pem")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "3a";

    #[test]
    fn a_key_is_made_once_for_its_owners_eyes_with_its_public_key_beside_it() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/signing-key.pem");
        let first = Signer::load_or_make(&path).unwrap();
        let again = Signer::load_or_make(&path).unwrap();
        assert_eq!(first.public().id(), again.public().id());
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let public = PublicKey::read(&folder.path().join("deep/signing-key.pub.pem")).unwrap();
        assert_eq!(public.id(), first.public().id());
    }

    #[test]
    fn a_signature_holds_for_one_key_and_one_statement() {
        let folder = tempfile::tempdir().unwrap();
        let signer = |name: &str| Signer::load_or_make(&folder.path().join(name)).unwrap();
        let (mine, other) = (signer("mine.pem"), signer("other.pem"));
        let statement = Statement::Entry { hash: HASH };
        let head = Statement::Head {
            signed_from: 1,
            seq: 1,
            hash: HASH,
        };
        let signature = mine.sign(statement);
        assert!(mine.public().verifies(statement, &signature));
        assert!(!other.public().verifies(statement, &signature));
        assert!(!mine.public().verifies(head, &signature));
        assert!(!mine.public().verifies(statement, &signature[..63]));
    }

    #[test]
    fn what_is_no_key_is_named_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signing-key.pem");
        std::fs::write(&path, "my notes").unwrap();
        let error = Signer::load_or_make(&path).unwrap_err().to_string();
        assert!(error.contains("--signing-key"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "my notes");
    }
}
