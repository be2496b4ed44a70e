//! `<clock>`: what time the guest finds and how it keeps it.

use std::borrow::Cow;

use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::{Element, Node, Tag, Value, Words, Writer, YesNo};

/// `<clock>`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Clock {
    /// What the guest's clock starts from.
    pub offset: Offset,
    /// The timers.
    pub timers: Vec<Timer>,
}

/// What the guest's clock starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Offset {
    /// Universal time; `reset`: again at each start, whatever the guest set it to.
    Utc {
        /// Whether it was said.
        reset: bool,
    },
    /// The host's local time.
    Localtime {
        /// As for `Utc`.
        reset: bool,
    },
    /// So many seconds from `basis`, as the guest left it.
    Variable {
        /// Seconds.
        adjustment: i64,
        /// From what.
        basis: Basis,
    },
    /// The local time of a place.
    Timezone(Option<String>),
    /// Always the same: seconds since the epoch.
    Absolute(u64),
}

impl Default for Offset {
    fn default() -> Self {
        Self::Utc { reset: false }
    }
}

/// From what an adjustment counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Words)]
pub enum Basis {
    /// Universal time.
    #[default]
    Utc,
    /// Local time.
    Localtime,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Words)]
enum OffsetWord {
    Utc,
    Localtime,
    Variable,
    Timezone,
    Absolute,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Adjustment {
    Reset,
    Seconds(i64),
}

impl Value for Adjustment {
    fn from_text(text: &str) -> Option<Self> {
        if text == "reset" {
            return Some(Self::Reset);
        }
        let text = text.trim();
        text.strip_prefix('+')
            .unwrap_or(text)
            .parse()
            .ok()
            .map(Self::Seconds)
    }

    fn to_text(&self) -> Cow<'_, str> {
        match self {
            Self::Reset => Cow::Borrowed("reset"),
            Self::Seconds(seconds) => Cow::Owned(seconds.to_string()),
        }
    }

    fn allowed() -> String {
        "a number of seconds, 'reset'".to_owned()
    }
}

impl Element for Clock {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let word = match node.attr_text("offset") {
            None => OffsetWord::Utc,
            Some(text) => OffsetWord::from_word(text).ok_or_else(|| {
                Error::new(
                    ErrorCode::ConfigUnsupported,
                    ErrorDomain::Domain,
                    format!("unknown clock offset '{text}'"),
                )
            })?,
        };
        let fixed = |node: &mut Node<'_>, basis: Basis| -> Result<Offset> {
            let adjustment = node.attr("adjustment")?;
            Ok(match (adjustment, basis) {
                (Some(Adjustment::Seconds(adjustment)), basis) => {
                    Offset::Variable { adjustment, basis }
                }
                (reset, Basis::Utc) => Offset::Utc {
                    reset: reset.is_some(),
                },
                (reset, Basis::Localtime) => Offset::Localtime {
                    reset: reset.is_some(),
                },
            })
        };
        let offset = match word {
            OffsetWord::Utc => fixed(node, Basis::Utc)?,
            OffsetWord::Localtime => fixed(node, Basis::Localtime)?,
            OffsetWord::Variable => Offset::Variable {
                // What is no number is none, as for the stock library.
                adjustment: match node.attr_text("adjustment").and_then(Adjustment::from_text) {
                    Some(Adjustment::Seconds(seconds)) => seconds,
                    Some(Adjustment::Reset) | None => 0,
                },
                basis: node.attr("basis")?.unwrap_or_default(),
            },
            OffsetWord::Timezone => {
                let timezone: Option<String> = node.attr("timezone")?;
                if timezone.is_none() {
                    return Err(Error::new(
                        ErrorCode::InternalError,
                        ErrorDomain::Domain,
                        "missing 'timezone' attribute for clock with offset='timezone'",
                    ));
                }
                Offset::Timezone(timezone)
            }
            OffsetWord::Absolute => Offset::Absolute(node.attr("start")?.ok_or_else(|| {
                Error::new(
                    ErrorCode::InternalError,
                    ErrorDomain::Domain,
                    "missing 'start' attribute for clock with offset='absolute'",
                )
            })?),
        };
        Ok(Self {
            offset,
            timers: node.children("timer")?,
        })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        let mut fixed = |word: OffsetWord, reset: bool| {
            tag.attr("offset", &word);
            if reset {
                tag.text("adjustment", "reset");
            }
        };
        match &self.offset {
            Offset::Utc { reset } => fixed(OffsetWord::Utc, *reset),
            Offset::Localtime { reset } => fixed(OffsetWord::Localtime, *reset),
            Offset::Variable { adjustment, basis } => {
                tag.attr("offset", &OffsetWord::Variable);
                tag.attr("adjustment", adjustment);
                tag.attr("basis", basis);
            }
            Offset::Timezone(timezone) => {
                tag.attr("offset", &OffsetWord::Timezone);
                tag.maybe("timezone", timezone);
            }
            Offset::Absolute(start) => {
                tag.attr("offset", &OffsetWord::Absolute);
                tag.attr("start", start);
            }
        }
    }

    fn content(&self, out: &mut Writer) {
        for timer in &self.timers {
            out.element("timer", timer);
        }
    }
}

/// `<timer/>`.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct Timer {
    /// Which one.
    #[xml(attr)]
    pub name: TimerName,
    /// Whether the guest has it.
    #[xml(attr)]
    pub present: Option<YesNo>,
    /// What happens to ticks that come too late.
    #[xml(attr)]
    pub tickpolicy: Option<TickPolicy>,
    /// What it follows.
    #[xml(attr)]
    pub track: Option<TimerTrack>,
    /// Its frequency, Hz.
    #[xml(attr)]
    pub frequency: Option<u64>,
    /// How it is given to the guest.
    #[xml(attr)]
    pub mode: Option<TimerMode>,
    /// How it catches up.
    #[xml(child)]
    pub catchup: Option<Catchup>,
}

/// Timers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Words)]
#[allow(missing_docs, reason = "the timers' names")]
pub enum TimerName {
    Platform,
    Pit,
    Rtc,
    Hpet,
    Tsc,
    Kvmclock,
    Hypervclock,
    Armvtimer,
}

/// What happens to ticks that come too late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Words)]
pub enum TickPolicy {
    /// They come later.
    Delay,
    /// They come faster until time is caught up with.
    Catchup,
    /// They become one.
    Merge,
    /// They are lost.
    Discard,
}

/// What a timer follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Words)]
pub enum TimerTrack {
    /// Time since boot.
    Boot,
    /// Time in which the guest runs.
    Guest,
    /// The host's clock.
    Wall,
    /// The host's time since boot.
    Realtime,
}

/// How a timer is given to the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Words)]
pub enum TimerMode {
    /// As fits.
    Auto,
    /// The hardware's.
    Native,
    /// Emulated.
    Emulate,
    /// By agreement with the hypervisor.
    Paravirt,
    /// Emulated, in order between CPUs.
    Smpsafe,
}

impl Clock {
    /// Forgets what says nothing.
    pub(crate) fn settle(&mut self) -> Result<()> {
        for timer in &mut self.timers {
            timer.frequency = timer.frequency.filter(|hertz| *hertz > 0);
            timer.catchup = timer
                .catchup
                .take()
                .filter(|catchup| !catchup.says_nothing());
            if timer.catchup.is_some() && timer.tickpolicy != Some(TickPolicy::Catchup) {
                return Err(Error::new(
                    ErrorCode::XmlError,
                    ErrorDomain::Domain,
                    "setting of timer catchup policies is only supported with tickpolicy='catchup'",
                ));
            }
        }
        Ok(())
    }
}

/// `<catchup/>`.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct Catchup {
    /// From which lag.
    #[xml(attr)]
    pub threshold: Option<u64>,
    /// How fast.
    #[xml(attr)]
    pub slew: Option<u64>,
    /// Up to which lag.
    #[xml(attr)]
    pub limit: Option<u64>,
}

impl Catchup {
    /// A number of 0 is none.
    fn says_nothing(&self) -> bool {
        let numbers = [self.threshold, self.slew, self.limit];
        numbers.iter().all(|number| number.is_none_or(|n| n == 0))
    }
}
