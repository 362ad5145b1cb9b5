//! A program on a terminal of its own, as a person types at it.

use std::{
    fs::File,
    io::{Read, Write},
    process::{Child, Command, ExitStatus},
    sync::{Arc, Mutex},
    thread::{sleep, spawn},
    time::{Duration, Instant},
};

use rustix::{
    pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt},
    termios::{Winsize, tcsetwinsize},
};

/// What must come comes within this time, on however slow a machine.
pub const PATIENCE: Duration = Duration::from_mins(4);

pub const ENTER: &str = "\r";
pub const DOWN: &str = "\u{1b}[B";
pub const BACKSPACE: &str = "\u{7f}";

pub struct Terminal {
    process: Child,
    keyboard: File,
    screen: Arc<Mutex<Vec<u8>>>,
    /// How much of the text has been waited for.
    seen: usize,
}

impl Terminal {
    pub fn start(command: &mut Command) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
        let controller = openpt(flags).unwrap();
        grantpt(&controller).unwrap();
        unlockpt(&controller).unwrap();
        let size = Winsize {
            ws_row: 50,
            ws_col: 160,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&controller, size).unwrap();
        let user = || File::from(ioctl_tiocgptpeer(&controller, flags).unwrap());
        let process = command
            .env("TERM", "xterm-256color")
            .env_remove("NO_COLOR")
            .stdin(user())
            .stdout(user())
            .stderr(user())
            .spawn()
            .unwrap();
        let keyboard = File::from(controller);
        let screen = Arc::new(Mutex::new(Vec::new()));
        let (mut source, written) = (keyboard.try_clone().unwrap(), Arc::clone(&screen));
        spawn(move || {
            let mut buffer = [0; 4096];
            // it ends with an error when nobody holds the terminal any more
            while let Ok(count @ 1..) = source.read(&mut buffer) {
                written.lock().unwrap().extend_from_slice(&buffer[..count]);
            }
        });
        Self {
            process,
            keyboard,
            screen,
            seen: 0,
        }
    }

    /// All that was written, with its colours.
    pub fn raw(&self) -> String {
        String::from_utf8_lossy(&self.screen.lock().unwrap()).into_owned()
    }

    /// All that was written, as it reads.
    pub fn text(&self) -> String {
        anstream::adapter::strip_str(&self.raw()).to_string()
    }

    /// Waits until this is written, behind what was waited for before.
    pub fn expect(&mut self, wanted: &str) {
        let end = Instant::now() + PATIENCE;
        loop {
            let text = self.text();
            let rest = text.get(self.seen..).unwrap_or_default();
            if let Some(place) = rest.find(wanted) {
                self.seen += place + wanted.len();
                return;
            }
            assert!(Instant::now() < end, "no `{wanted}` in:\n{text}");
            sleep(Duration::from_millis(50));
        }
    }

    pub fn type_in(&mut self, keys: &[&str]) {
        for key in keys {
            self.keyboard.write_all(key.as_bytes()).unwrap();
            // an arrow is three bytes that have to come together, and nothing behind them
            sleep(Duration::from_millis(50));
        }
    }

    pub fn end(&mut self) -> ExitStatus {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < end, "it does not end:\n{}", self.text());
            sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
