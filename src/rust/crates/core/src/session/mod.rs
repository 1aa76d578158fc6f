//! The session: threads, memory, scratch space, caches and control, in one value that is passed to
//! all long work. Calls share no other resources.

mod both;
mod budget;
mod caches;
mod guard;
mod heap;
mod machine;
mod monitor;
mod pool;
mod scratch;
#[allow(clippy::module_inception)] // the module has the session itself
mod session;
mod watch;

pub(crate) use both::run_both;
pub use budget::{Budget, Held, Lease};
pub use caches::Caches;
pub(crate) use caches::Identity;
pub use guard::guard;
pub use heap::release_memory;
pub use monitor::Monitor;
pub use pool::Pool;
pub(crate) use pool::STACK;
pub(crate) use scratch::Yields;
pub use scratch::{Allowance, Keeping, Space};
pub use session::{Session, DEFAULT_MEMORY};
pub use watch::watched;
