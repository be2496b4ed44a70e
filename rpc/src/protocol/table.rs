//! Putting the rows of several files into one table, at compile time.

use super::Row;

/// The `N` rows of `families` in the order of their numbers; a number that is missing, doubled
/// or out of range fails the build.
pub(super) const fn merge<const N: usize>(families: &[&[&'static Row]]) -> [&'static Row; N] {
    let mut table: [Option<&'static Row>; N] = [None; N];
    let mut family = 0;
    while family < families.len() {
        let rows = families[family];
        let mut index = 0;
        while index < rows.len() {
            let row = rows[index];
            let place = row.number as usize - 1;
            assert!(table[place].is_none(), "two rows have the same number");
            table[place] = Some(row);
            index += 1;
        }
        family += 1;
    }
    let mut merged = [Row::NONE; N];
    let mut place = 0;
    while place < N {
        match table[place] {
            Some(row) => merged[place] = row,
            None => panic!("a number without a row"),
        }
        place += 1;
    }
    merged
}
