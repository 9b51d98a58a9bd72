//! Whether a run that failed is tried again.

use crate::store::Failure;

/// How a run is tried again behind its `attempts`th failure: whether with nothing beside it; `None` for not at all.
///
/// What memory ended may fit when nothing is beside it, and nobody else can be ended for it. A full disk stays full.
pub(super) fn again(class: Failure, attempts: u32, retries: u32) -> Option<bool> {
    let alone = match class {
        Failure::Killed | Failure::OutOfMemory => true,
        Failure::Panicked | Failure::Data | Failure::Environment => false,
        Failure::Disk => return None,
    };
    (attempts <= retries).then_some(alone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_memory_ended_has_the_machine_for_itself() {
        assert_eq!(again(Failure::Killed, 1, 1), Some(true));
        assert_eq!(again(Failure::OutOfMemory, 1, 2), Some(true));
        assert_eq!(again(Failure::Data, 1, 1), Some(false));
        assert_eq!(again(Failure::Panicked, 2, 1), None);
        assert_eq!(again(Failure::Environment, 1, 0), None);
        assert_eq!(again(Failure::Disk, 1, 5), None);
    }
}
