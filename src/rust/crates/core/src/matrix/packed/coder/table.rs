//! The table of the few different values of a run.

use super::lanes::{Numbers, RUN};
use super::number::Packable;

/// Values in a table, at most.
pub(super) const MOST: usize = 64;
const SLOTS: usize = 512;

/// Finds the different values of a run, in the order of their first occurrence, and the place of
/// each value among them. Returns their number; `None` for more than [`MOST`].
pub(super) fn table_of<T: Packable>(values: &[T; RUN], places: &mut Numbers, table: &mut [T; MOST]) -> Option<usize> {
    let mut known = [0; MOST];
    (table[0], known[0]) = (values[0], values[0].bits());
    let mut n = 1;
    // 0 marks an empty slot and is also the place of the first value: a search for that value ends
    // at the first empty slot.
    let mut slots = [0_u8; SLOTS];
    for (place, &x) in places.iter_mut().zip(values) {
        let bits = x.bits();
        let mut slot = (bits.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 55) as usize % SLOTS;
        let mut found = slots[slot];
        while known[usize::from(found) % MOST] != bits {
            if found == 0 {
                if n == MOST {
                    return None;
                }
                (table[n], known[n], slots[slot]) = (x, bits, n as u8);
                found = n as u8;
                n += 1;
                break;
            }
            slot = (slot + 1) % SLOTS;
            found = slots[slot];
        }
        *place = found.into();
    }
    Some(n)
}
