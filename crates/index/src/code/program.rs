//! All that this room finds in one image.

use super::functions::{Function, Functions};
use super::graph::{Graph, Surroundings};
use super::landmarks::Landmarks;
use super::sites::{Primitives, Site, sites};
use super::{Calls, Lift};
use crate::image::Image;

/// The code of an image.
#[derive(Debug)]
pub struct Program {
    /// Its functions.
    pub functions: Functions,
    /// What it says about control flow in tables.
    pub landmarks: Landmarks,
    /// Its calls.
    pub calls: Calls,
    /// The lock functions that it calls.
    pub primitives: Primitives,
    /// Its lock sites.
    pub sites: Vec<Site>,
}

impl Program {
    /// The code of an image. A module calls functions of the kernel, so the kernel's is needed for it.
    pub fn of(image: &Image, kernel: Option<&Self>) -> Self {
        let functions = Functions::of(image);
        let mut landmarks = Landmarks::of(image, kernel.map(|kernel| &kernel.landmarks));
        let calls = Calls::of(&functions, image, &landmarks);
        for &function in calls.never_return() {
            landmarks.never_returns(function);
        }
        let primitives = kernel.map_or_else(|| Primitives::of(&functions), |kernel| kernel.primitives.clone());
        let sites = sites(&functions, &calls, &primitives, Surroundings { memory: image, landmarks: &landmarks });
        Self { functions, landmarks, calls, primitives, sites }
    }

    /// The graph of a function.
    pub fn graph(&self, image: &Image, function: &Function, lift: &mut dyn Lift) -> Graph {
        Graph::build(function, Surroundings { memory: image, landmarks: &self.landmarks }, lift)
    }
}
