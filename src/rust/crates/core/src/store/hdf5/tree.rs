//! The tree of the chunks of a dataset in a remote file, searched for one chunk at a time. The
//! library would read the whole tree before the first chunk: for a matrix of a million cells that
//! is a thousand nodes, scattered between its chunks.
//!
//! The nodes are those of type 1 in the HDF5 File Format Specification, "Version 1 B-trees". h5py
//! writes them unless the latest format is requested. Other lists are left to the library.

use super::chunks::{self, Chunk};
use super::heap::Superblock;
use super::parts::number;
use crate::error::Result;
use crate::memory;
use crate::store::remote::FarFile;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes before the keys of a node.
const HEAD: usize = 8;
/// Children of a node, except in odd files.
const CHILDREN: usize = 64;
/// Upper bound of the levels of a tree: with two children per node, there would be more chunks than
/// a file has bytes.
const DEEPEST: u8 = 64;

type NodeSlot = Arc<Mutex<Option<Arc<Node>>>>;

/// The tree of the chunks of a dataset.
#[derive(Debug)]
pub(super) struct ChunkTree {
    file: Arc<FarFile>,
    /// Offset from which addresses count.
    base: u64,
    /// Bytes of an address.
    addresses: usize,
    root: u64,
    shape: Vec<u64>,
    chunk: Vec<u64>,
    /// Nodes by their addresses. The first thread that needs a node reads it, others wait for it.
    nodes: Mutex<HashMap<u64, NodeSlot>>,
}

#[derive(Debug)]
struct Node {
    level: u8,
    /// The first index of the first chunk of each child along each axis, one after the other.
    firsts: Vec<u64>,
    /// Bytes and filter mask of each chunk, in a node of level 0.
    stored: Vec<(u32, u32)>,
    children: Vec<u64>,
}

impl ChunkTree {
    /// Makes the tree at `root`, whose keys have `dimensions` numbers; `None` where they do not fit
    /// the extents.
    pub(super) fn new(
        file: &Arc<FarFile>,
        superblock: Superblock,
        (root, dimensions): (u64, usize),
        shape: &[u64],
        chunk: &[u64],
    ) -> Option<ChunkTree> {
        let Superblock { base, addresses, .. } = superblock;
        let fits = dimensions == shape.len() + 1 && shape.len() == chunk.len() && addresses <= 8;
        fits.then(|| ChunkTree {
            file: file.clone(),
            base,
            addresses,
            root,
            shape: shape.to_vec(),
            chunk: chunk.to_vec(),
            nodes: Mutex::default(),
        })
    }

    /// Finds a chunk; `None` when it was never written.
    ///
    /// # Errors
    /// Outer: the errors of reading the file. Inner: a description of a damaged tree.
    pub(super) fn find(&self, number: u64) -> Result<std::result::Result<Option<Chunk>, String>> {
        if self.is_nowhere(self.root) {
            return Ok(Ok(None));
        }
        let wanted = chunks::place(number, &self.shape, &self.chunk);
        let (mut address, mut above) = (self.root, DEEPEST);
        loop {
            let node = match self.node(address)? {
                Ok(node) => node,
                Err(found) => return Ok(Err(found)),
            };
            if node.level >= above {
                return Ok(Err(format!("a node of level {} below one of level {above}", node.level)));
            }
            let after = node.count_up_to(&wanted);
            let Some(child) = after.checked_sub(1) else { return Ok(Ok(None)) };
            if node.level > 0 {
                (address, above) = (node.children[child], node.level);
                continue;
            }
            let (size, mask) = node.stored[child];
            return Ok(match node.first(child) == wanted {
                false => Ok(None),
                true if size == 0 || self.is_nowhere(node.children[child]) => Err(format!(
                    "a chunk of no bytes, or without a place in the file, at {wanted:?} of {:?}",
                    self.shape
                )),
                true => {
                    let address = self.base.saturating_add(node.children[child]);
                    Ok(Some(Chunk { number, address, size: size.into(), mask }))
                }
            });
        }
    }

    /// Returns whether an address stands for none: all its bits are set.
    fn is_nowhere(&self, address: u64) -> bool {
        address == u64::MAX >> (64 - 8 * self.addresses as u32)
    }

    fn node(&self, address: u64) -> Result<std::result::Result<Arc<Node>, String>> {
        let cell = {
            let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
            nodes.try_reserve(1).map_err(|_| memory::refused::<NodeSlot>(nodes.len() + 1, "places of chunks"))?;
            nodes.entry(address).or_default().clone()
        };
        let mut known = cell.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(node) = &*known {
            return Ok(Ok(node.clone()));
        }
        let read = self.read(address)?;
        Ok(read.map(|node| known.insert(Arc::new(node)).clone()))
    }

    fn read(&self, address: u64) -> Result<std::result::Result<Node, String>> {
        let (axes, addresses) = (self.shape.len(), self.addresses);
        let key = 8 + 8 * (axes + 1);
        let of = |children: usize| (HEAD + 2 * addresses + children * (key + addresses) + key) as u64;
        let at = self.base.saturating_add(address);
        let left = self.file.len().saturating_sub(at);
        let mut bytes = self.file.part(at, of(CHILDREN).min(left))?;
        if !bytes.starts_with(b"TREE\x01") {
            return Ok(Err(format!("no node of a tree of chunks at byte {at}")));
        }
        let (level, used) = (bytes[5], number(&bytes, 6, 2) as usize);
        if of(used) > bytes.len() as u64 {
            if of(used) > left {
                return Ok(Err(format!("a node of {used} chunks at byte {at}, where {left} bytes are left")));
            }
            bytes = self.file.part(at, of(used))?;
        }
        let what = "places of chunks";
        let mut node = Node {
            level,
            firsts: memory::room(used * axes, what)?,
            stored: memory::room(used, what)?,
            children: memory::room(used, what)?,
        };
        for i in 0..used {
            let from = HEAD + 2 * addresses + i * (key + addresses);
            node.stored.push((number(&bytes, from, 4) as u32, number(&bytes, from + 4, 4) as u32));
            node.firsts.extend((0..axes).map(|axis| number(&bytes, from + 8 + 8 * axis, 8)));
            node.children.push(number(&bytes, from + key, addresses));
        }
        let ascends = (1..used).all(|i| node.first(i - 1) < node.first(i));
        Ok(if ascends { Ok(node) } else { Err(format!("chunks out of order in the node at byte {at}")) })
    }
}

impl Node {
    /// Returns the first index of a child's first chunk along each axis.
    fn first(&self, child: usize) -> &[u64] {
        let axes = self.firsts.len() / self.children.len().max(1);
        &self.firsts[child * axes..(child + 1) * axes]
    }

    /// Returns the number of children that begin at or before a place.
    fn count_up_to(&self, wanted: &[u64]) -> usize {
        let (mut low, mut high) = (0, self.children.len());
        while low < high {
            let middle = (low + high) / 2;
            if self.first(middle) > wanted {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        low
    }
}
