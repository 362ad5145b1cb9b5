//! docs/faults.md is made of what the faults say of themselves. `AKESO_WRITE_DOCS=1 cargo test -p
//! akeso-core --test diagnose faults_page` writes it anew.
#![expect(clippy::disallowed_methods, reason = "a test may read and write files")]

use std::{collections::BTreeSet, fmt::Write, path::Path};

use akeso_core::diagnose::{FAULTS, Family, Fault};

fn page() -> String {
    let mut page = "# The faults that Akeso knows\n\n\
        Made from the code by `AKESO_WRITE_DOCS=1 cargo test -p akeso-core --test diagnose faults_page`. \
        What is changed passes the gate first, and is taken back if it does not help. A revision is \
        proven to be good by pods of it that are ready, or that Akeso has seen deleted when they had \
        been ready for 10 s without a restart or for 10 min with one, as long as no later revision \
        has run well itself. A StatefulSet's rollout has no progress deadline: a pod of it that no \
        node takes is given five minutes.\n"
        .to_owned();
    let mut faults: Vec<&Fault> = FAULTS.iter().collect();
    faults.sort_by_key(|fault| fault.family);
    let mut family: Option<Family> = None;
    for fault in faults {
        if family.replace(fault.family) != Some(fault.family) {
            write!(page, "\n## {:?}\n\n| fault | signs | what Akeso does | what it never does |\n|---|---|---|---|\n", fault.family).unwrap();
        }
        writeln!(
            page,
            "| `{}` | {} | {} | {} |",
            fault.name, fault.signs, fault.does, fault.never
        )
        .unwrap();
    }
    page
}

#[test]
fn the_page_of_faults_says_what_the_faults_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/faults.md");
    if std::env::var_os("AKESO_WRITE_DOCS").is_some() {
        std::fs::write(&path, page()).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == page(),
        "docs/faults.md is not current: run AKESO_WRITE_DOCS=1 cargo test -p akeso-core --test diagnose faults_page"
    );
}

#[test]
fn every_fault_has_a_name_of_its_own_and_says_all_that_the_page_needs() {
    let names: BTreeSet<_> = FAULTS.iter().map(|fault| fault.name).collect();
    assert_eq!(names.len(), FAULTS.len());
    for fault in FAULTS {
        for text in [fault.name, fault.signs, fault.does, fault.never] {
            assert!(!text.is_empty() && !text.contains('|'), "{}", fault.name);
        }
    }
}
