//! Sets of features of a [`super::map::X86`], by their position in it.

/// A set of features; which feature a number stands for is the map's to say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FeatureSet(Vec<u64>);

impl FeatureSet {
    /// Adds a feature.
    pub fn insert(&mut self, feature: usize) {
        let word = feature / 64;
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (feature % 64);
    }

    /// Takes a feature out.
    pub fn remove(&mut self, feature: usize) {
        if let Some(word) = self.0.get_mut(feature / 64) {
            *word &= !(1 << (feature % 64));
        }
    }

    /// Whether the feature is in it.
    pub fn contains(&self, feature: usize) -> bool {
        self.0
            .get(feature / 64)
            .is_some_and(|word| word & 1 << (feature % 64) != 0)
    }

    /// The features, in the map's order.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().enumerate().flat_map(|(at, word)| {
            (0..64)
                .filter(move |bit| word & 1 << bit != 0)
                .map(move |bit| at * 64 + bit)
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// Those in this set and not in the other.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        Self(
            self.0
                .iter()
                .enumerate()
                .map(|(at, word)| word & !other.0.get(at).copied().unwrap_or(0))
                .collect(),
        )
    }

    /// Those in both.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self(
            self.0
                .iter()
                .zip(&other.0)
                .map(|(one, two)| one & two)
                .collect(),
        )
    }

    /// Whether every one of them is in the other.
    pub fn is_within(&self, other: &Self) -> bool {
        self.minus(other).is_empty()
    }
}

impl FromIterator<usize> for FeatureSet {
    fn from_iter<I: IntoIterator<Item = usize>>(features: I) -> Self {
        let mut set = Self::default();
        features.into_iter().for_each(|feature| set.insert(feature));
        set
    }
}

impl Extend<usize> for FeatureSet {
    fn extend<I: IntoIterator<Item = usize>>(&mut self, features: I) {
        features
            .into_iter()
            .for_each(|feature| self.insert(feature));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_different_lengths_work_together() {
        let small: FeatureSet = [1, 3].into_iter().collect();
        let large: FeatureSet = [3, 200].into_iter().collect();
        assert_eq!(large.minus(&small).iter().collect::<Vec<_>>(), [200]);
        assert_eq!(small.minus(&large).iter().collect::<Vec<_>>(), [1]);
        assert_eq!(large.and(&small).iter().collect::<Vec<_>>(), [3]);
        assert!(!small.is_within(&large));
        assert!(small.and(&large).is_within(&small));
        assert_eq!((large.len(), FeatureSet::default().is_empty()), (2, true));
    }
}
