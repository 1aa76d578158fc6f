//! Files of loompy (loom), by their specification
//! (<https://linnarssonlab.org/loompy/format/index.html>, versions 2 and 3): a matrix and layers of
//! genes x cells, dense and in chunks, attributes of rows (genes) and columns (cells), and graphs.

use super::{Array, Data, DataFrame, Layer, Number, Slots, Sparse, SparseFormat, Strings, Value};
use crate::error::{Error, Result};
use crate::memory;
use crate::store::{Node, Store};
use crate::with_data;
use std::sync::Arc;

/// Path of the main matrix, which every file has; the others are layers.
const MATRIX: &str = "matrix";
const NUMBERED: &str = "names of a loom file that has none";
const GRAPH: &str = "a graph of a loom file";
const STACKED: &str = "columns of a loom file, put together";

/// The choices in reading a loom file, by the names of its layers and attributes.
#[derive(Debug, Clone)]
pub struct LoomOptions {
    /// Name of the layer that becomes X; without such a layer the main matrix does.
    pub x_name: String,
    /// Name of the column attribute that holds the names of the cells.
    pub obs_names: String,
    /// Name of the row attribute that holds the names of the genes.
    pub var_names: String,
    /// Arrays of obsm to be made: name, and the column attributes that become its columns.
    pub obsm: Vec<(String, Vec<String>)>,
    /// Arrays of varm to be made: name, and the row attributes that become its columns.
    pub varm: Vec<(String, Vec<String>)>,
}

/// Gives the defaults of `anndata.io.read_loom`.
impl Default for LoomOptions {
    fn default() -> Self {
        LoomOptions {
            x_name: "spliced".to_owned(),
            obs_names: "CellID".to_owned(),
            var_names: "Gene".to_owned(),
            obsm: Vec::new(),
            varm: Vec::new(),
        }
    }
}

/// Returns whether the file has the layout of loompy.
pub(crate) fn is_loom(store: &Arc<Store>) -> bool {
    store.exists("row_attrs") && store.exists("col_attrs")
}

/// Returns whether a dataset is a genes x cells matrix of a loom file.
pub(crate) fn is_matrix(node: &Node) -> bool {
    let path = node.path().trim_start_matches('/');
    (path == MATRIX || path.starts_with("layers/")) && is_loom(node.store()) && !node.store().exists("obs")
}

/// Reads all of a loom file but the values of its matrices, which [`crate::matrix::open`] shows as
/// cells x genes. Attributes become columns of obs and var; those of two dimensions become arrays
/// of obsm and varm. Graphs of columns and rows go to obsp and varp, the file's own attributes
/// (version 3) to uns.
///
/// # Errors
/// [`Error::Missing`] for a file of another kind; [`Error::Parameter`] for attributes that are
/// missing or no numbers; [`Error::Format`] for parts that contradict each other; the errors of
/// [`read`](super::read()).
pub fn read_loom(store: &Arc<Store>, options: &LoomOptions) -> Result<Slots> {
    if !is_loom(store) {
        return Err(Error::Missing {
            path: store.location().clone(),
            element: "row_attrs".to_owned(),
            hint: "; is this a loom file? read() opens files of any kind".to_owned(),
        });
    }
    let matrix = store.node(MATRIX)?;
    let shape = matrix.values()?.shape();
    let &[genes, cells] = shape.as_slice() else {
        return Err(matrix.format("a matrix of genes x cells", format!("extents {shape:?}")));
    };
    let (x, layers) = matrices(store, &shape, &options.x_name)?;
    let (obs, obsm) = axis(store, "col_attrs", cells, &options.obs_names, ("obsm_mapping", &options.obsm))?;
    let (var, varm) = axis(store, "row_attrs", genes, &options.var_names, ("varm_mapping", &options.varm))?;
    Ok(Slots {
        x,
        layers,
        obs,
        var,
        obsm,
        varm,
        obsp: graphs(store, "col_graphs", cells)?,
        varp: graphs(store, "row_graphs", genes)?,
        uns: members(store, "attrs")?
            .into_iter()
            .map(|(name, node)| Ok((name, unescaped(read(&node)?)?)))
            .collect::<Result<_>>()?,
    })
}

type Matrices = (Layer, Vec<(String, Layer)>);

fn matrices(store: &Arc<Store>, shape: &[usize], x_name: &str) -> Result<Matrices> {
    let mut x: Layer = (MATRIX.to_owned(), None);
    let mut layers = Vec::new();
    for (name, node) in members(store, "layers")? {
        let found = node.values()?.shape();
        if found != shape {
            return Err(node.format(format!("the extents {shape:?} of the matrix"), format!("{found:?}")));
        }
        layers.push((name, (node.path().to_owned(), None)));
    }
    // As in anndata, X is a layer, too.
    if let Some(at) = layers.iter().position(|(name, _)| name == x_name) {
        let main = std::mem::replace(&mut x, layers[at].1.clone());
        layers.insert(0, (MATRIX.to_owned(), main));
    }
    Ok((x, layers))
}

/// Returns the members of a group; none when it does not exist.
fn members(store: &Arc<Store>, group: &str) -> Result<Vec<(String, Node)>> {
    if !store.exists(group) || !store.is_group(group)? {
        return Ok(Vec::new());
    }
    let node = store.node(group)?;
    node.keys()?.into_iter().map(|key| Ok((key.clone(), node.child(&key)?))).collect()
}

fn read(node: &Node) -> Result<Value> {
    super::read(node.store(), node.path())
}

type Axis = (DataFrame, Vec<(String, Value)>);

/// Reads the attributes of one axis of length `n`: a table, and the arrays of two dimensions.
fn axis(
    store: &Arc<Store>,
    group: &str,
    n: usize,
    names: &str,
    (parameter, mapping): (&'static str, &[(String, Vec<String>)]),
) -> Result<Axis> {
    let (mut index, mut columns, mut arrays) = (None, Vec::new(), Vec::new());
    for (name, node) in members(store, group)? {
        let value = unescaped(read(&node)?)?;
        if value.len() != Some(n) {
            let found = value.len().map_or("none".to_owned(), |l| l.to_string());
            return Err(node.format(format!("{n} values, one for each of them in the matrix"), found));
        }
        match value {
            text @ Value::Strings { .. } if name == names => index = Some(text),
            Value::Array(a) if a.shape.len() > 1 => arrays.push((name, Value::Array(a))),
            other => columns.push((name, other)),
        }
    }
    for (name, parts) in mapping {
        let mut taken: Vec<Array> = Vec::new();
        for part in parts {
            let at = columns.iter().position(|(c, v)| c == part && matches!(v, Value::Array(_)));
            let Some(Value::Array(array)) = at.map(|at| columns.remove(at).1) else {
                let there: Vec<&str> =
                    columns.iter().filter(|(_, v)| matches!(v, Value::Array(_))).map(|c| c.0.as_str()).collect();
                let expected = format!("numbers among '{group}' of '{}': {}", store.location(), there.join(", "));
                return Err(Error::parameter(parameter, expected, format!("'{part}'")));
            };
            taken.push(array);
        }
        arrays.push((name.clone(), stacked(&taken, n)?));
    }
    // The index has the attribute's name, as in anndata.
    let (index_name, index) = match index {
        Some(index) => (Some(names.to_owned()), index),
        None => {
            // `n` comes from the matrix: a number beyond memory is refused before the first name is
            // made.
            drop(memory::room::<[u8; 24]>(n, NUMBERED)?);
            let data = Strings::collected((0..n).map(|i| i.to_string()))?;
            (None, Value::Strings { shape: vec![n], data })
        }
    };
    Ok((DataFrame { index_name, index: Box::new(index), columns }, arrays))
}

/// Makes one array, `n x columns.len()`, of vectors.
fn stacked(columns: &[Array], n: usize) -> Result<Value> {
    let mut out = memory::zeros::<f64>(memory::count(&[n, columns.len()], STACKED)?, STACKED)?;
    for (j, column) in columns.iter().enumerate() {
        for (i, &v) in column.data.to_f64()?.iter().enumerate() {
            out[i * columns.len() + j] = v;
        }
    }
    Ok(Value::matrix(n, columns.len(), out))
}

/// Replaces references of XML in texts (`&#945;`, `&amp;`). Older files hold all characters outside
/// ASCII so.
fn unescaped(value: Value) -> Result<Value> {
    let Value::Strings { shape, data } = value else { return Ok(value) };
    if !data.iter().any(|text| text.contains('&')) {
        return Ok(Value::Strings { shape, data });
    }
    Ok(Value::Strings { shape, data: Strings::collected(data.iter().map(unescape))? })
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let reference = rest.split_once(';').and_then(|(name, after)| Some((character(&name[1..])?, after)));
        match reference {
            Some((character, after)) => {
                out.push(character);
                rest = after;
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

fn character(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}

/// Reads the graphs of an axis of length `n`: edges from `a` to `b` of weight `w`. Weights of equal
/// edges are added.
fn graphs(store: &Arc<Store>, group: &str, n: usize) -> Result<Vec<(String, Value)>> {
    members(store, group)?.into_iter().map(|(name, node)| Ok((name, graph(&node, n)?))).collect()
}

fn graph(node: &Node, n: usize) -> Result<Value> {
    let ends = |key: &str| -> Result<Vec<u32>> {
        let member = node.child(key)?;
        let data = vector(&member)?;
        let whole = |&v: &f64| if v >= 0.0 && v < n as f64 && v.fract() == 0.0 { Ok(v as u32) } else { Err(v) };
        let found: std::result::Result<Vec<u32>, f64> = data.to_f64()?.iter().map(whole).collect();
        found.map_err(|v| member.format(format!("whole numbers below {n}"), v.to_string()))
    };
    let (from, to, weights) = (ends("a")?, ends("b")?, vector(&node.child("w")?)?);
    if from.len() != to.len() || from.len() != weights.len() {
        let found = format!("{}, {} and {} of them", from.len(), to.len(), weights.len());
        return Err(node.format("as many 'a' as 'b' and 'w'", found));
    }
    let (indptr, order) = sorted(&from, &to, n)?;
    let (indptr, indices, data) = with_data!(&weights, w => summed(&indptr, &order, &to, w)?);
    Ok(Value::Sparse(Sparse { format: SparseFormat::Csr, shape: (n, n), indptr, indices, data }))
}

fn vector(node: &Node) -> Result<Data> {
    match read(node)? {
        Value::Array(a) if a.shape.len() == 1 => Ok(a.data),
        other => Err(node.format("a vector of numbers", other.encoding())),
    }
}

/// Sorts edges by row and, within a row, by column. Returns the offset of each row and the order of
/// the edges.
fn sorted(from: &[u32], to: &[u32], n: usize) -> Result<(Vec<usize>, Vec<usize>)> {
    let mut indptr = memory::zeros::<usize>(n + 1, GRAPH)?;
    from.iter().for_each(|&row| indptr[row as usize + 1] += 1);
    (0..n).for_each(|row| indptr[row + 1] += indptr[row]);
    let mut next = memory::copied(&indptr, GRAPH)?;
    let mut order = memory::zeros::<usize>(from.len(), GRAPH)?;
    for (edge, &row) in from.iter().enumerate() {
        order[next[row as usize]] = edge;
        next[row as usize] += 1;
    }
    indptr.windows(2).for_each(|w| order[w[0]..w[1]].sort_by_key(|&edge| to[edge]));
    Ok((indptr, order))
}

type Compressed = (Vec<u64>, Vec<u32>, Data);

fn summed<T: Number>(starts: &[usize], order: &[usize], to: &[u32], weights: &[T]) -> Result<Compressed> {
    let mut indptr = memory::room(starts.len(), GRAPH)?;
    let (mut indices, mut data) = (memory::room(order.len(), GRAPH)?, memory::room::<T>(order.len(), GRAPH)?);
    indptr.push(0);
    for row in starts.windows(2) {
        let first = indices.len();
        for &edge in &order[row[0]..row[1]] {
            match data.last_mut() {
                Some(last) if indices.len() > first && indices.last() == Some(&to[edge]) => {
                    *last = T::from_f64(last.to_f64() + weights[edge].to_f64());
                }
                _ => {
                    indices.push(to[edge]);
                    data.push(weights[edge]);
                }
            }
        }
        indptr.push(indices.len() as u64);
    }
    Ok((indptr, indices, T::wrap(data)))
}

#[cfg(test)]
mod tests {
    use super::unescape;

    #[test]
    fn references_of_xml_are_undone() {
        assert_eq!(unescape("IFN&#947; &amp; TGF&#x3B2;&lt;1&gt;"), "IFN\u{3b3} & TGF\u{3b2}<1>");
        assert_eq!(unescape("H&E; &#99999999999; &&amp;&"), "H&E; &#99999999999; &&&");
    }
}
