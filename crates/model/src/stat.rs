//! What can be measured of acquisitions.

/// A statistic. Each costs time only when it is asked for; acquisitions and failed attempts are always counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u32)]
pub enum Stat {
    /// Acquisitions and failed attempts.
    Count = 0,
    /// Waits: how many, their time, shortest and longest.
    Wait = 1,
    /// A histogram of waits.
    WaitHist = 2,
    /// Holds: how many, their time, shortest and longest.
    Hold = 4,
    /// A histogram of holds.
    HoldHist = 8,
    /// Acquisitions after one by another CPU: the lock's cache line had to move.
    CrossCpu = 16,
    /// Acquisitions after one on another NUMA node.
    CrossNode = 32,
    /// How often reading follows writing, and the other way round.
    ReaderWriter = 64,
    /// Acquisitions in a row by one CPU.
    Batch = 128,
    /// The stack of each acquisition instead of its site alone.
    Stack = 256,
    /// How many acquisitions had to wait (the slow path), without their times.
    FastSlow = 512,
}

impl Stat {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Count,
        Self::Wait,
        Self::WaitHist,
        Self::Hold,
        Self::HoldHist,
        Self::CrossCpu,
        Self::CrossNode,
        Self::ReaderWriter,
        Self::Batch,
        Self::Stack,
        Self::FastSlow,
    ];

    /// Those that are measured when nothing else is asked for.
    pub const USUAL: [Self; 4] = [Self::Count, Self::Wait, Self::Hold, Self::HoldHist];

    /// The word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Wait => "wait",
            Self::WaitHist => "wait-hist",
            Self::Hold => "hold",
            Self::HoldHist => "hold-hist",
            Self::CrossCpu => "cross-cpu",
            Self::CrossNode => "cross-node",
            Self::ReaderWriter => "reader-writer",
            Self::Batch => "batch",
            Self::Stack => "stack",
            Self::FastSlow => "fast-slow",
        }
    }

    /// The statistic with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stat| stat.name() == name)
    }

    /// Whether it is about holds.
    pub const fn of_holds(self) -> bool {
        matches!(self, Self::Hold | Self::HoldHist)
    }

    /// Whether it is about waits.
    pub const fn of_waits(self) -> bool {
        matches!(self, Self::Wait | Self::WaitHist | Self::FastSlow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back() {
        for stat in Stat::ALL {
            assert_eq!(Stat::from_name(stat.name()), Some(stat));
        }
        assert_eq!(Stat::from_name("holds"), None);
    }

    #[test]
    fn each_is_a_bit_of_its_own() {
        let bits = Stat::ALL.iter().fold(0, |bits, &stat| bits + stat as u32);
        assert_eq!(bits, 1023);
    }
}
