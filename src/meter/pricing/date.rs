//! Days of the Gregorian calendar, for the spans in which a price holds: a price begins and ends at midnight UTC.

use std::fmt;

/// Days since 1970-01-01. Not before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Date(u32);

impl Date {
    /// `2026-09-01`, between the years 1970 and 9999.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let mut part = |width: usize| {
            let digits = parts.next().filter(|part| part.len() == width && part.bytes().all(|b| b.is_ascii_digit()))?;
            digits.parse::<u32>().ok()
        };
        let (year, month, day) = (part(4)?, part(2)?, part(2)?);
        let date = (parts.next().is_none() && year >= 1970).then(|| Self::of(year, month, day))?;
        // The 31st of a month of 30 days is a day of the next.
        (date.civil() == (year, month, day)).then_some(date)
    }

    pub fn of_unix(unix_s: u64) -> Self {
        Self((unix_s / 86_400).min(u64::from(u32::MAX / 2)) as u32)
    }

    pub fn unix_s(self) -> u64 {
        u64::from(self.0) * 86_400
    }

    /// Hinnant, "chrono-compatible low-level date algorithms": days_from_civil, from 1970 on.
    fn of(year: u32, month: u32, day: u32) -> Self {
        let year = if month <= 2 { year - 1 } else { year };
        let (era, of_era) = (year / 400, year % 400);
        let shifted = (month + 9) % 12;
        let of_year = (153 * shifted + 2) / 5 + day.max(1) - 1;
        Self((era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year).saturating_sub(719_468))
    }

    /// The same, back: civil_from_days.
    fn civil(self) -> (u32, u32, u32) {
        let days = self.0 + 719_468;
        let (era, of_era) = (days / 146_097, days % 146_097);
        let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let shifted = (5 * of_year + 2) / 153;
        let (day, month) =
            (of_year - (153 * shifted + 2) / 5 + 1, if shifted < 10 { shifted + 3 } else { shifted - 9 });
        let year = era * 400 + year;
        (if month <= 2 { year + 1 } else { year }, month, day)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.civil();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_read_back() {
        for (text, days) in [
            ("1970-01-01", 0),
            ("1970-12-31", 364),
            ("2000-02-29", 11_016),
            ("2000-03-01", 11_017),
            ("2026-09-01", 20_697),
            ("2100-03-01", 47_541),
        ] {
            let date = Date::parse(text).expect(text);
            assert_eq!((date, date.to_string().as_str()), (Date(days), text));
            assert_eq!(Date::of_unix(date.unix_s() + 86_399), date);
        }
        for text in [
            "1969-12-31",
            "2026-02-29",
            "2026-04-31",
            "2026-13-01",
            "2026-00-10",
            "2026-01-00",
            "2026-1-1",
            "",
            "2026-01-01-",
        ] {
            assert_eq!(Date::parse(text), None, "{text}");
        }
    }
}
