//! A policy file that is looked at again and again: what has changed in it, and whether it can be
//! used.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::{PolicyFile, Unusable, from_bytes};

/// A policy file, and what of it has been seen.
#[derive(Debug)]
pub struct Watched {
    path: PathBuf,
    stamp: Option<Stamp>,
    version: Version,
}

/// By which a change is noticed without reading. A mounted ConfigMap is changed by pointing a
/// symbolic link elsewhere: the file behind it is another one, with an inode of its own
/// (<https://kubernetes.io/docs/concepts/configuration/configmap/#mounted-configmaps-are-updated-automatically>).
type Stamp = (u64, u64, u64, i64, i64);

/// What was in the file, or why it could not be read: each is told of once.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Version {
    Holds(Vec<u8>),
    Unreadable(String),
}

/// What a look has shown.
#[derive(Debug)]
pub enum Look {
    /// Nothing new.
    Same,
    /// Another policy.
    New(Box<PolicyFile>),
    /// Something that cannot be used, and has not been told of before.
    Unusable(Unusable),
}

/// Whether a file that seems to be the same is read nevertheless.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thoroughness {
    /// It is not.
    Glance,
    /// It is.
    Read,
}

impl Watched {
    /// Reads a file for the first time.
    pub fn open(path: &Path) -> Result<(Self, PolicyFile), Unusable> {
        let mut watched = Self {
            path: path.to_owned(),
            stamp: None,
            version: Version::Unreadable(String::new()),
        };
        match watched.look(Thoroughness::Read) {
            Look::New(file) => Ok((watched, *file)),
            Look::Unusable(why) => Err(why),
            Look::Same => super::load(path).map(|file| (watched, file)),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Looks whether it has changed.
    pub fn look(&mut self, thoroughness: Thoroughness) -> Look {
        // taken before reading: what is written meanwhile is seen by the next look
        let stamp = stamp(&self.path).ok();
        if thoroughness == Thoroughness::Glance && stamp.is_some() && stamp == self.stamp {
            return Look::Same;
        }
        self.stamp = stamp;
        let version = match fs::read(&self.path) {
            Ok(bytes) => Version::Holds(bytes),
            Err(error) => Version::Unreadable(error.to_string()),
        };
        if version == self.version {
            return Look::Same;
        }
        self.version = version;
        let read = match &self.version {
            Version::Holds(bytes) => from_bytes(&self.path, bytes),
            Version::Unreadable(why) => Err(Unusable::Unreadable {
                path: self.path.clone(),
                why: why.clone(),
            }),
        };
        match read {
            Ok(file) => Look::New(Box::new(file)),
            Err(why) => Look::Unusable(why),
        }
    }
}

fn stamp(path: &Path) -> io::Result<Stamp> {
    let data = fs::metadata(path)?;
    Ok((
        data.dev(),
        data.ino(),
        data.size(),
        data.mtime(),
        data.mtime_nsec(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use akeso_core::policy::Autonomy;
    use std::os::unix::fs::symlink;

    fn level(look: Look) -> Autonomy {
        match look {
            Look::New(file) => file.policy.autonomy,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_change_is_seen_once_and_what_cannot_be_used_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("akeso.yaml");
        fs::write(&path, "autonomy: cautious").unwrap();
        let (mut file, first) = Watched::open(&path).unwrap();
        assert_eq!(first.policy.autonomy, Autonomy::Cautious);
        assert!(matches!(file.look(Thoroughness::Glance), Look::Same));

        fs::write(&path, "autonomy: full").unwrap();
        assert_eq!(level(file.look(Thoroughness::Glance)), Autonomy::Full);
        assert!(matches!(file.look(Thoroughness::Read), Look::Same));

        fs::write(&path, "autonomy: fulll").unwrap();
        assert!(matches!(
            file.look(Thoroughness::Glance),
            Look::Unusable(Unusable::Wrong { .. })
        ));
        assert!(matches!(file.look(Thoroughness::Glance), Look::Same));
        assert!(matches!(file.look(Thoroughness::Read), Look::Same));

        fs::remove_file(&path).unwrap();
        assert!(matches!(
            file.look(Thoroughness::Glance),
            Look::Unusable(Unusable::Unreadable { .. })
        ));
        assert!(matches!(file.look(Thoroughness::Glance), Look::Same));

        fs::write(&path, "autonomy: observe").unwrap();
        assert_eq!(level(file.look(Thoroughness::Glance)), Autonomy::Observe);
    }

    #[test]
    fn what_looks_the_same_is_read_when_that_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("akeso.yaml");
        fs::write(&path, "autonomy: full # 1").unwrap();
        let before = fs::metadata(&path).unwrap().modified().unwrap();
        let (mut file, _) = Watched::open(&path).unwrap();
        fs::write(&path, "autonomy: cautious").unwrap();
        let written = fs::File::options().write(true).open(&path).unwrap();
        written.set_modified(before).unwrap();
        assert!(matches!(file.look(Thoroughness::Glance), Look::Same));
        assert_eq!(level(file.look(Thoroughness::Read)), Autonomy::Cautious);
    }

    #[test]
    fn a_config_map_that_is_swapped_by_its_symbolic_link_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for (name, level) in [("first", "standard"), ("second", "cautious")] {
            fs::create_dir(at(name)).unwrap();
            fs::write(at(name).join("akeso.yaml"), format!("autonomy: {level}")).unwrap();
        }
        symlink("first", at("..data")).unwrap();
        symlink("..data/akeso.yaml", at("akeso.yaml")).unwrap();
        let (mut file, first) = Watched::open(&at("akeso.yaml")).unwrap();
        assert_eq!(first.policy.autonomy, Autonomy::Standard);

        symlink("second", at("..data_tmp")).unwrap();
        fs::rename(at("..data_tmp"), at("..data")).unwrap();
        assert_eq!(level(file.look(Thoroughness::Glance)), Autonomy::Cautious);
    }
}
