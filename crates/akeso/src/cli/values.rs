//! The values that the command line takes.

use akeso_core::{act::ActionKind, policy::Autonomy, retention::SHORTEST};
use clap::ValueEnum;
use jiff::{SignedDuration, Timestamp};

/// A value that takes the place of one that is proposed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Which one.
    pub field: String,
    /// The value.
    pub value: String,
}

/// How long the journal is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    /// For ever.
    Off,
    /// So long.
    For(std::time::Duration),
}

impl Retention {
    /// How long, if not for ever.
    pub const fn duration(self) -> Option<std::time::Duration> {
        match self {
            Self::Off => None,
            Self::For(duration) => Some(duration),
        }
    }
}

/// How much Akeso does by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Level {
    /// Says what it would do; changes nothing.
    Observe,
    /// Proven images and doubled memory act; everything else asks.
    Cautious,
    /// Every reversible, proven fix acts; placeholders for credentials ask.
    Standard,
    /// Everything that the gates allow acts.
    Full,
}

impl From<Level> for Autonomy {
    fn from(level: Level) -> Self {
        match level {
            Level::Observe => Self::Observe,
            Level::Cautious => Self::Cautious,
            Level::Standard => Self::Standard,
            Level::Full => Self::Full,
        }
    }
}

/// An action by its name.
pub fn action(text: &str) -> Result<ActionKind, String> {
    let found = ActionKind::ALL.iter().find(|kind| kind.as_str() == text);
    let names: Vec<_> = ActionKind::ALL.iter().map(|kind| kind.as_str()).collect();
    found
        .copied()
        .ok_or_else(|| format!("the actions are {}", names.join(", ")))
}

/// A duration, or the article's plain number of seconds.
pub fn interval(text: &str) -> Result<std::time::Duration, String> {
    let duration = match text.parse::<u64>() {
        Ok(seconds) => Ok(std::time::Duration::from_secs(seconds)),
        Err(_) => humantime::parse_duration(text),
    };
    let duration = duration.map_err(|error| format!("{error}; write for instance 30s or 5m"))?;
    if duration < std::time::Duration::from_secs(1) {
        return Err("an interval is at least 1s".to_owned());
    }
    Ok(duration)
}

/// `FIELD=VALUE`. What is wrong is told without the text: it may hold what nobody is to see.
pub fn setting(text: &str) -> Result<Setting, String> {
    let (field, value) = text
        .split_once('=')
        .filter(|(field, _)| !field.trim().is_empty())
        .ok_or("write FIELD=VALUE, for instance memory=512Mi")?;
    Ok(Setting {
        field: field.trim().to_owned(),
        value: value.to_owned(),
    })
}

pub fn retention(text: &str) -> Result<Retention, String> {
    if text == "off" {
        return Ok(Retention::Off);
    }
    let duration = humantime::parse_duration(text)
        .map_err(|error| format!("{error}; write for instance 90d, or off"))?;
    if SignedDuration::try_from(duration).is_ok_and(|duration| duration < SHORTEST) {
        return Err("the journal is kept for at least 2d; write off to keep all of it".to_owned());
    }
    Ok(Retention::For(duration))
}

pub fn since(text: &str) -> Result<Timestamp, String> {
    let advice = "write for instance 7d, or 2030-01-31T00:00:00Z";
    if let Ok(at) = text.parse() {
        return Ok(at);
    }
    let ago = humantime::parse_duration(text).map_err(|error| format!("{error}; {advice}"))?;
    Timestamp::now()
        .checked_sub(ago)
        .map_err(|_| format!("that is too long ago; {advice}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_durations_or_the_articles_seconds() {
        assert_eq!(interval("30"), Ok(std::time::Duration::from_secs(30)));
        assert_eq!(interval("5m"), Ok(std::time::Duration::from_mins(5)));
        assert!(interval("0").is_err());
        assert!(interval("soon").unwrap_err().contains("30s"));
    }

    #[test]
    fn a_value_is_named_by_its_field_and_may_hold_anything() {
        let read = |text| setting(text).map(|it| (it.field, it.value));
        let pair = |field: &str, value: &str| Ok((field.to_owned(), value.to_owned()));
        assert_eq!(read("memory=512Mi"), pair("memory", "512Mi"));
        assert_eq!(read("OPTS=-a=b"), pair("OPTS", "-a=b"));
        assert_eq!(read("MODE="), pair("MODE", ""));
        for text in ["memory", "=512Mi", ""] {
            assert!(setting(text).unwrap_err().contains("memory=512Mi"));
        }
    }

    #[test]
    fn a_journal_is_kept_for_two_days_at_least_or_for_ever() {
        let days = |count: u64| std::time::Duration::from_hours(24 * count);
        assert_eq!(retention("90d"), Ok(Retention::For(days(90))));
        assert_eq!(retention("2d"), Ok(Retention::For(days(2))));
        assert_eq!(retention("off"), Ok(Retention::Off));
        assert!(retention("47h").unwrap_err().contains("2d"));
        assert!(retention("never").unwrap_err().contains("off"));
    }

    #[test]
    fn an_export_begins_at_a_time_or_so_long_ago() {
        assert_eq!(since("1970-01-01T00:00:00Z"), Ok(Timestamp::UNIX_EPOCH));
        assert!(since("7d").unwrap() < Timestamp::now());
        assert!(since("yesterday").unwrap_err().contains("7d"));
    }
}
