//! Dates and weekdays of times, in UTC.

use std::fmt::{Display, Formatter, Result};

const MICROSECONDS: i64 = 86_400_000_000;
/// Days from 0000-03-01, the start of Hinnant's count, to 2000-01-01.
const TO_2000: i64 = 730_425;
/// Days of 400 Gregorian years.
const ERA: i64 = 146_097;

/// A day, counted from 2000-01-01: times are microseconds from its beginning, PostgreSQL's epoch.
///
/// Days are those of UTC: nobody tells where a person lives, so a late evening may count to the
/// next day. For everybody this is the same shift at every session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(i64);

impl Day {
    pub fn of(at_us: i64) -> Day {
        Day(at_us.div_euclid(MICROSECONDS))
    }

    /// 0 is Monday. 2000-01-01 was a Saturday.
    pub fn weekday(self) -> usize {
        (self.0 + 5).rem_euclid(7) as usize
    }

    pub fn weekday_name(weekday: usize) -> &'static str {
        const NAMES: [&str; 7] = [
            "Mondays",
            "Tuesdays",
            "Wednesdays",
            "Thursdays",
            "Fridays",
            "Saturdays",
            "Sundays",
        ];
        NAMES.get(weekday).copied().unwrap_or("some days")
    }
}

/// YYYY-MM-DD (Hinnant's civil_from_days: years begin in March, so that the leap day is the last).
impl Display for Day {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        let days = self.0 + TO_2000;
        let (era, of_era) = (days.div_euclid(ERA), days.rem_euclid(ERA));
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * of_year + 2) / 153;
        let day = of_year - (153 * from_march + 2) / 5 + 1;
        let month = if from_march < 10 {
            from_march + 3
        } else {
            from_march - 9
        };
        let year = year_of_era + 400 * era + i64::from(month <= 2);
        write!(formatter, "{year:04}-{month:02}-{day:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_their_dates_and_weekdays() {
        // Checked with cal(1).
        for (day, date, weekday) in [
            (0, "2000-01-01", 5),
            (59, "2000-02-29", 1),
            (60, "2000-03-01", 2),
            (-1, "1999-12-31", 4),
            (-10_957, "1970-01-01", 3),
            (9_131, "2024-12-31", 1),
            (9_132, "2025-01-01", 2),
            (36_524, "2099-12-31", 3),
        ] {
            assert_eq!(Day(day).to_string(), date);
            assert_eq!(Day(day).weekday(), weekday, "{date}");
            assert_eq!(Day::of(day * MICROSECONDS), Day(day));
            assert_eq!(Day::of(day * MICROSECONDS + MICROSECONDS - 1), Day(day));
        }
        // Times out of any calendar are still days.
        assert!(!Day::of(i64::MIN).to_string().is_empty());
    }
}
