//! The guest's clock and timers, and its sleep states.

use super::command_line::Builder;
use super::context::StartContext;
use super::props::OptionList;
use crate::board::Board;
use crate::caps::CapFlag;
use virt_domain::Domain;
use virt_domain::clock::{Basis, Offset, TickPolicy, TimerName, TimerTrack};
use virt_error::Result;
use virt_xml::YesNo;

/// `-rtc`.
pub(super) fn rtc(b: &mut Builder, domain: &Domain, context: &StartContext) -> Result<()> {
    let base = match &domain.clock.offset {
        Offset::Utc { .. } => "utc".to_owned(),
        Offset::Localtime { .. } | Offset::Timezone(_) => "localtime".to_owned(),
        Offset::Variable { adjustment, basis } => {
            let local = match basis {
                Basis::Utc => 0,
                Basis::Localtime => context.utc_offset,
            };
            let seconds = context
                .now
                .saturating_add(local)
                .saturating_add(*adjustment);
            date(seconds).ok_or_else(|| super::unsupported("a clock outside of years 1 to 9999"))?
        }
        Offset::Absolute(start) => i64::try_from(*start)
            .ok()
            .and_then(date)
            .ok_or_else(|| super::unsupported("a clock outside of years 1 to 9999"))?,
    };
    let mut list = OptionList::default().with("base", base);
    let rtc = domain
        .clock
        .timers
        .iter()
        .find(|t| t.name == TimerName::Rtc);
    if let Some(rtc) = rtc {
        match rtc.track {
            Some(TimerTrack::Guest) => list.put("clock", "vm"),
            Some(TimerTrack::Wall) => list.put("clock", "host"),
            Some(TimerTrack::Realtime) => list.put("clock", "rt"),
            _ => {}
        }
        if rtc.tickpolicy == Some(TickPolicy::Catchup) {
            list.put("driftfix", "slew");
        }
    }
    b.option("-rtc", list.finish());
    Ok(())
}

/// Options of the other timers.
pub(super) fn timers(b: &mut Builder, domain: &Domain) {
    for timer in &domain.clock.timers {
        match (timer.name, timer.tickpolicy) {
            (TimerName::Pit, None | Some(TickPolicy::Delay | TickPolicy::Discard))
                if b.caps.has(CapFlag::KvmPitLostTickPolicy) =>
            {
                let policy = timer.tickpolicy.unwrap_or(TickPolicy::Delay);
                b.option("-global", format!("kvm-pit.lost_tick_policy={policy}"));
            }
            (TimerName::Hpet, _)
                if timer.present == Some(YesNo::No) && !b.caps.has(CapFlag::MachineHpet) =>
            {
                b.flag("-no-hpet");
            }
            _ => {}
        }
    }
}

/// Sleep states.
pub(super) fn sleep(b: &mut Builder, domain: &Domain) {
    let Some(pm) = &domain.pm else { return };
    let chip = if Board::of(domain) == Board::Q35 {
        "ICH9-LPC"
    } else {
        "PIIX4_PM"
    };
    for (state, number) in [(&pm.suspend_to_mem, 3), (&pm.suspend_to_disk, 4)] {
        if let Some(enabled) = state.as_ref().and_then(|state| state.enabled) {
            let disabled = u8::from(enabled == YesNo::No);
            b.option("-global", format!("{chip}.disable_s{number}={disabled}"));
        }
    }
}

/// Seconds since the epoch as QEMU reads them, `2009-02-13T23:31:30`; nothing outside of years
/// 1 to 9999.
fn date(seconds: i64) -> Option<String> {
    let days = seconds.div_euclid(86_400);
    let rest = seconds.rem_euclid(86_400);
    // Howard Hinnant's civil_from_days: days to year, month and day in the Gregorian calendar.
    let shifted = days.checked_add(719_468)?;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 {
        month_index + 3
    } else {
        month_index - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (1..=9999).contains(&year).then(|| {
        format!(
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}",
            rest / 3_600,
            rest / 60 % 60,
            rest % 60
        )
    })
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, Some("1970-01-01T00:00:00")),
            (1_234_567_890, Some("2009-02-13T23:31:30")),
            (951_782_400, Some("2000-02-29T00:00:00")),
            (253_402_300_799, Some("9999-12-31T23:59:59")),
            (253_402_300_800, None),
            (-1, Some("1969-12-31T23:59:59")),
            (i64::MAX, None),
        ] {
            assert_eq!(date(seconds).as_deref(), text);
        }
    }
}
