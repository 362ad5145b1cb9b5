//! The article's learning curve: see `bench/README.md`.

use std::{path::Path, process::ExitCode};

use akeso_sim::{
    learning::{Mix, curve},
    listed_images,
};

const USAGE: &str = "usage: learning-curve --mix article|hard";

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let mix = match arguments.as_slice() {
        [flag, name] if flag == "--mix" => Mix::named(name),
        _ => None,
    };
    let Some(mix) = mix else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match print(mix) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("learning-curve: {error}");
            ExitCode::from(2)
        }
    }
}

fn print(mix: Mix) -> Result<(), Box<dyn std::error::Error>> {
    let images = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../devcluster/images.json");
    let images = listed_images(&std::fs::read_to_string(images)?)?;
    for week in curve(mix, images)? {
        println!("{}", serde_json::to_string(&week)?);
    }
    Ok(())
}
