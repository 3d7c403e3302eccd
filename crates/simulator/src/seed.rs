//! What a simulator starts with.

use crate::state::State;

/// A state that was checked: its references lead somewhere, every row has an id.
#[derive(Debug, Clone, PartialEq)]
pub struct Seed(State);

/// Why a seed was refused.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// It is no seed: the message names the field and its place.
    #[error("the seed cannot be read: {0}")]
    Unreadable(String),
    /// It is a seed, but makes no sense.
    #[error("the seed is inconsistent: {0}")]
    Inconsistent(String),
}

impl Seed {
    /// The seed of `examples/seed.yaml`.
    pub fn example() -> Self {
        Self::from_yaml(include_str!("../examples/seed.yaml")).expect("the example seed is tested")
    }

    /// Reads a seed file.
    ///
    /// # Errors
    /// An unknown key, a wrong type, a reference that leads nowhere.
    pub fn from_yaml(text: &str) -> Result<Self, SeedError> {
        let state = serde_yaml::from_str(text).map_err(|error| SeedError::Unreadable(error.to_string()))?;
        Self::from_state(state)
    }

    /// Checks a state.
    ///
    /// # Errors
    /// A reference that leads nowhere.
    pub fn from_state(mut state: State) -> Result<Self, SeedError> {
        state.settle_in().map_err(SeedError::Inconsistent)?;
        Ok(Self(state))
    }

    /// The state.
    pub fn state(&self) -> &State {
        &self.0
    }

    /// The state, to change it.
    pub fn into_state(self) -> State {
        self.0
    }
}

impl Default for Seed {
    fn default() -> Self {
        Self::example()
    }
}
