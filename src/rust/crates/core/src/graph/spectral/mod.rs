//! Spectral layout: eigenvectors of the normalised Laplacian of a connectivity graph, the default
//! initial positions of UMAP.
//!
//! Sizes and conventions follow umap-learn's `spectral_layout`; the eigensolver is in `eigen`.

mod eigen;

use super::groups::members;
use super::links::Links;
use super::random::Stream;
use super::symmetric::{check, Graph, OwnGraph};
use crate::error::{Error, Result};
use crate::memory;
use crate::session::{Monitor, Session};
pub(super) use eigen::leading;
use ndarray::Array2;

/// The residual of eigenvectors that serve as initial positions (umap-learn's tolerance). After
/// `MAX_PRODUCTS` products any residual is accepted.
pub(super) const ROUGH: f64 = 1e-3;
/// The residual of a layout that is itself the result.
const FINE: f64 = 1e-5;
const MAX_PRODUCTS: usize = 400;

/// Stream rounds of this module (see `random`): far from the epochs of the optimiser.
const ROUND_RANDOM: u64 = 1 << 40;
/// The round of random numbers from which the start vectors of the eigensolver are drawn; each use
/// of a seed has a round of its own.
pub(super) const ROUND_START: u64 = (1 << 40) + 1;

/// A spectral layout, and how well it was computed.
#[derive(Debug, Clone)]
pub struct SpectralLayout {
    /// n_obs x n_components.
    pub coordinates: Array2<f64>,
    /// Number of connected components of the graph.
    pub n_connected: usize,
    /// Largest residual `|M x - lambda x|` over the eigenpairs used, `x` of norm 1; 0 when none was
    /// computed.
    pub residual: f64,
    /// Deviations from "one connected graph, solved to tolerance", in words; empty without any.
    pub notes: Vec<String>,
}

/// Computes eigenvectors 2 to `n_components` + 1 of the normalised Laplacian I - D^-1/2 A D^-1/2 of
/// `graph` (n_obs x n_obs, symmetric CSR). Each has norm 1, and its entry of largest magnitude is
/// positive.
///
/// A graph of several connected components is laid out per component, and each component's layout
/// is scaled into a place of its own. For at most `2 * n_components` components the places are the
/// ends of the coordinate axes, as in umap-learn. For more, they are a spiral of discs with areas
/// proportional to the components' sizes, the largest in the middle. A component too small to have
/// enough eigenvectors gets uniform random positions.
///
/// # Errors
/// [`Error::Parameter`] for `n_components` = 0 and for an asymmetric graph, [`Error::Shape`],
/// [`Error::Values`], [`Error::Cancelled`].
pub fn spectral_layout(
    graph: &impl Links,
    n_components: usize,
    seed: u64,
    session: &Session,
) -> Result<SpectralLayout> {
    let graph = &graph.borrowed();
    // The coordinates, and the eigenvectors that they are made of.
    let bytes = graph.rows().saturating_mul(n_components).saturating_mul(16);
    let _held =
        session.hold(format!("the spectral layout of {} cells in {n_components} components", graph.rows()), bytes)?;
    session.install(|| {
        let graph = check(graph, "spectral_layout", &session.monitor)?;
        layout(graph, n_components, FINE, seed, &session.monitor)
    })
}

/// Computes a [`spectral_layout`] with eigenpairs of residual `tolerance`.
pub(super) fn layout(graph: Graph, dim: usize, tolerance: f64, seed: u64, monitor: &Monitor) -> Result<SpectralLayout> {
    if dim == 0 {
        return Err(Error::parameter("n_components", "at least 1", dim));
    }
    let n = graph.n_vertices();
    let what = "the spectral layout: n_components of every observation";
    let coordinates = Array2::zeros((0, dim));
    let mut result = SpectralLayout { coordinates, n_connected: 0, residual: 0.0, notes: Vec::new() };
    let (label, sizes) = connected(graph, monitor)?;
    result.n_connected = sizes.len();
    if sizes.len() <= 1 {
        drop(label);
        let part = component(graph, dim, tolerance, seed, &|k| k as u32, monitor, &mut result)?;
        result.coordinates = Array2::from_shape_vec((n, dim), part).map_err(|e| Error::Internal(e.to_string()))?;
        return Ok(result);
    }
    let coordinates = memory::zeros(memory::count(&[n, dim], what)?, what)?;
    result.coordinates = Array2::from_shape_vec((n, dim), coordinates).map_err(|e| Error::Internal(e.to_string()))?;
    result.notes.push(format!(
        "the graph has {} connected components; each was laid out on its own and given its own place",
        sizes.len()
    ));

    let (start, members) = members(&label, sizes.len())?;
    let mut local = memory::zeros::<u32>(n, what)?;
    for (c, place) in places(&sizes, dim).into_iter().enumerate() {
        let members = &members[start[c]..start[c + 1]];
        for (k, &vertex) in members.iter().enumerate() {
            local[vertex as usize] = k as u32;
        }
        let mut part = OwnGraph::with_room(members.len(), 0, what)?;
        for &vertex in members {
            let (columns, weights) = graph.row(vertex as usize);
            memory::reserve(&mut part.indices, columns.len(), what)?;
            memory::reserve(&mut part.data, weights.len(), what)?;
            part.indices.extend(columns.iter().map(|&column| local[column as usize]));
            part.data.extend_from_slice(weights);
            part.indptr.push(part.indices.len());
        }
        let coordinates = component(part.borrow(), dim, tolerance, seed, &|k| members[k], monitor, &mut result)?;
        let largest = coordinates.iter().fold(0.0f64, |m, x| m.max(x.abs()));
        let scale = if largest > 0.0 { place.radius / largest } else { 0.0 };
        for (&vertex, from) in members.iter().zip(coordinates.chunks(dim)) {
            for (d, (centre, from)) in place.centre.iter().zip(from).enumerate() {
                result.coordinates[[vertex as usize, d]] = centre + scale * from;
            }
        }
    }
    Ok(result)
}

/// The name of random positions in errors.
const RANDOM: &str = "random positions of n_components of every observation";

/// Computes the coordinates of one connected graph, row-major. `vertex` returns a row's number in
/// the whole graph, which chooses its random numbers.
fn component(
    graph: Graph,
    dim: usize,
    tolerance: f64,
    seed: u64,
    vertex: &dyn Fn(usize) -> u32,
    monitor: &Monitor,
    result: &mut SpectralLayout,
) -> Result<Vec<f64>> {
    let n = graph.n_vertices();
    if n < 2 * dim || n <= dim + 1 {
        if result.n_connected == 1 && n > 0 {
            let reason = format!("{n} observations have too few eigenvectors for {dim} components; random start");
            result.notes.push(reason);
        }
        let random = (0..n).flat_map(|k| {
            let mut stream = Stream::new(seed, ROUND_RANDOM, u64::from(vertex(k)));
            (0..dim).map(move |_| 2.0 * stream.uniform() - 1.0)
        });
        let mut x = memory::room(memory::count(&[n, dim], RANDOM)?, RANDOM)?;
        x.extend(random);
        return Ok(x);
    }
    let found = leading(graph, dim, tolerance, MAX_PRODUCTS, seed, monitor)?;
    result.residual = result.residual.max(found.residual);
    if !found.converged {
        result.notes.push(format!(
            "the eigenvectors of a component of {n} observations are approximate (residual {:.1e}); \
             clusters are that nearly disconnected",
            found.residual
        ));
    }
    let mut coordinates = found.vectors;
    for d in 0..dim {
        let column = || (0..n).map(|i| coordinates[i * dim + d]);
        let extreme = column().fold(0.0f64, |m, x| if x.abs() > m.abs() { x } else { m });
        if extreme < 0.0 {
            (0..n).for_each(|i| coordinates[i * dim + d] = -coordinates[i * dim + d]);
        }
    }
    Ok(coordinates)
}

/// Returns the component of each vertex, numbered in the order of their first vertices, and the
/// components' sizes.
pub(super) fn connected(graph: Graph, monitor: &Monitor) -> Result<(Vec<u32>, Vec<usize>)> {
    const NONE: u32 = u32::MAX;
    let n = graph.n_vertices();
    let mut label = memory::filled(n, NONE, "components of the graph")?;
    let (mut sizes, mut stack) = (Vec::new(), Vec::new());
    for first in 0..n {
        if label[first] != NONE {
            continue;
        }
        let c = sizes.len() as u32;
        label[first] = c;
        stack.push(first as u32);
        let mut size = 0;
        while let Some(vertex) = stack.pop() {
            size += 1;
            if size % 4096 == 0 {
                monitor.check()?;
            }
            let (columns, weights) = graph.row(vertex as usize);
            for (&column, &weight) in columns.iter().zip(weights) {
                if weight > 0.0 && label[column as usize] == NONE {
                    label[column as usize] = c;
                    stack.push(column);
                }
            }
        }
        sizes.push(size);
    }
    Ok((label, sizes))
}

/// The place of a component's layout.
struct Place {
    centre: Vec<f64>,
    radius: f64,
}

/// Returns the place of each component, by its size.
fn places(sizes: &[usize], dim: usize) -> Vec<Place> {
    let count = sizes.len();
    let unit = |d: usize, value: f64| {
        let mut centre = vec![0.0; dim];
        centre[d] = value;
        centre
    };
    if count <= 2 * dim {
        let half = count.div_ceil(2);
        let radius = if half > 1 { std::f64::consts::FRAC_1_SQRT_2 } else { 1.0 };
        let end = |c: usize| if c < half { unit(c, 1.0) } else { unit(c - half, -1.0) };
        return (0..count).map(|c| Place { centre: end(c), radius }).collect();
    }
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by_key(|&c| (std::cmp::Reverse(sizes[c]), c));
    let mut places: Vec<Place> = (0..count).map(|_| Place { centre: vec![0.0; dim], radius: 0.0 }).collect();
    let golden_angle = std::f64::consts::PI * (3.0 - 5f64.sqrt());
    let mut inside = 0.0;
    for (rank, &c) in order.iter().enumerate() {
        let area = sizes[c] as f64;
        let place = &mut places[c];
        if dim == 1 {
            place.centre[0] = inside + area / 2.0;
            place.radius = 0.45 * area;
        } else {
            // Areas in units of pi: a disc of `area` has radius sqrt(area).
            let distance = if rank == 0 { 0.0 } else { f64::sqrt(inside + area / 2.0) + 0.5 * area.sqrt() };
            let angle = golden_angle * rank as f64;
            place.centre[0] = distance * angle.cos();
            place.centre[1] = distance * angle.sin();
            place.radius = 0.6 * area.sqrt();
        }
        inside += area;
    }
    places
}
