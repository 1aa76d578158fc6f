//! Checks the table of verbs: every entry is sound, refuses arguments outside its domains, and
//! gives the results that it declares.

use anndataoom_core::element::{Array, Value};
use anndataoom_core::given::{Given, Syntax};
use anndataoom_core::matrix::MemorySource;
use anndataoom_core::patch::Patch;
use anndataoom_core::verbs::{self, Call, Column, Groups, Input, Kind, Outcome, Preset, Source, Verb};
use anndataoom_core::{Error, LazyMatrix, Result, Session};
use ndarray::Array2;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

const CELLS: usize = 60;
const GENES: usize = 40;

/// Returns a pseudo-random value between 0 and 1 that depends on `i`.
fn noise(i: usize) -> f64 {
    ((i as f64 * 12.9898).sin() * 43_758.545_3).rem_euclid(1.0)
}

fn counts() -> LazyMatrix {
    let data: Vec<f32> = (0..CELLS * GENES).map(|i| (noise(i) * 6.0 * noise(i % GENES + 7)).floor() as f32).collect();
    let array = Array { shape: vec![CELLS, GENES], data: data.into() };
    LazyMatrix::new(Arc::new(MemorySource::from_array(array).unwrap()))
}

fn run(name: &str, args: &[(&str, Given)], inputs: HashMap<String, Input<'static>>) -> Result<Outcome> {
    let args = args.iter().map(|(k, v)| ((*k).to_owned(), v.clone()));
    let verb = verbs::find(name)?;
    let checked = verb.check(args)?;
    verb.run(Call::new(checked, inputs), &Session::with_threads(2))
}

fn coordinates() -> Array2<f32> {
    Array2::from_shape_fn((CELLS, 5), |(i, j)| (noise(i * 5 + j) + if i % 2 == 0 { 2.0 } else { 0.0 }) as f32)
}

/// Returns the inputs that a face would give for each need, by name, for an object that has
/// everything.
fn found(verb: &Verb, graph: &Outcome, map: &Outcome) -> HashMap<String, Input<'static>> {
    let sparse = |at: usize| Input::Graph(graph.patch.obsp[at].1.clone());
    let groups = |names: &[&str]| {
        let codes = (0..CELLS).map(|i| (i % names.len()) as i32).collect();
        Input::Groups(Groups { codes, names: names.iter().map(|s| (*s).to_owned()).collect() })
    };
    let values = |value: &Value| match value {
        Value::Array(array) => array.data.to_f64().unwrap(),
        other => panic!("{other:?}"),
    };
    let mut inputs = HashMap::new();
    for need in verb.needs {
        let input = match need.source {
            Source::Matrix => Input::Matrix(counts()),
            Source::Connectivities => sparse(1),
            Source::Distances => sparse(0),
            Source::Embedding => Input::Points(coordinates().into()),
            Source::Obsm => {
                let map = values(&map.patch.obsm[0].1).into_iter().map(|v| v as f32).collect();
                Input::Points(Array2::from_shape_vec((CELLS, 15), map).unwrap().into())
            }
            Source::Uns => Input::Numbers(values(&map.patch.uns[0].1)),
            Source::Root => Input::Numbers(vec![0.0]),
            Source::Groups if need.name == "batch_key" => continue,
            Source::Groups => groups(&["a", "b"]),
            Source::Basis => Input::Points(coordinates().into()),
            Source::Factors => match groups(&["a", "b"]) {
                Input::Groups(groups) => Input::Factors(vec![("batch".to_owned(), groups)]),
                other => other,
            },
            Source::Model => Input::Model(vec![("score".to_owned(), Column::Numbers((0..CELLS).map(noise).collect()))]),
            Source::Reference => match need.name {
                "matrix" | "reference" => Input::Matrix(counts()),
                "loadings" => Input::Points(Array2::from_shape_fn((GENES, 5), |(i, j)| noise(i * 5 + j) as f32).into()),
                "rep" => Input::Points(coordinates().into()),
                "layout" => Input::Points(coordinates().slice(ndarray::s![.., ..2]).to_owned().into()),
                "labels" => match groups(&["a", "b"]) {
                    Input::Groups(groups) => Input::Factors(vec![("type".to_owned(), groups)]),
                    other => other,
                },
                "numbers" => Input::Numbers(vec![5.0, 1.0, 1.5, 0.9]),
                "metric" => Input::Names(std::iter::once("euclidean").collect()),
                _ => continue,
            },
            Source::Covariates => Input::Columns(vec![("score".to_owned(), (0..CELLS).map(noise).collect())]),
            Source::Masks => Input::Masks(vec![("mt".to_owned(), (0..GENES).map(|j| j < 3).collect())]),
            Source::Genes => Input::Names((0..GENES).map(|j| format!("gene{j}")).collect()),
            Source::Sets => {
                let genes = (0..5).map(|j| format!("gene{j}")).collect();
                Input::Sets(vec![
                    ("score".to_owned(), genes),
                    ("more".to_owned(), vec!["gene9".to_owned(), "gene20".to_owned()]),
                ])
            }
            Source::Start | Source::Chosen | Source::Mask | Source::Weights | Source::LogBase => continue,
        };
        inputs.insert(need.name.to_owned(), input);
    }
    inputs
}

fn neighbours() -> Outcome {
    run("neighbors", &[], HashMap::from([("embedding".to_owned(), Input::Points(coordinates().into()))])).unwrap()
}

fn keys(patch: &Patch) -> Vec<String> {
    let slots = [
        ("obs", &patch.obs),
        ("var", &patch.var),
        ("obsm", &patch.obsm),
        ("varm", &patch.varm),
        ("obsp", &patch.obsp),
        ("uns", &patch.uns),
    ];
    slots.iter().flat_map(|(slot, items)| items.iter().map(move |(key, _)| format!("{slot}/{key}"))).collect()
}

/// Returns whether `key` matches `pattern`, in which a `{parameter}` stands for any text but the
/// empty one.
fn fits(pattern: &str, key: &str) -> bool {
    match (pattern.split_once('{'), pattern.split_once('}')) {
        (Some((before, _)), Some((_, after))) => {
            key.len() > before.len() + after.len() && key.starts_with(before) && key.ends_with(after)
        }
        _ => pattern == key,
    }
}

#[test]
fn every_entry_is_sound() {
    let mut names = HashSet::new();
    for verb in verbs::all() {
        assert!(names.insert(verb.name) && !verb.label.is_empty());
        assert!(std::ptr::eq(verb, verbs::find(verb.name).unwrap()));
        let mut parameters = HashSet::new();
        for param in verb.params {
            assert!(parameters.insert(param.name), "{}: {} twice", verb.name, param.name);
            assert!(param.about.ends_with('.'), "{}: {}", verb.name, param.about);
            let preset = param.preset.given();
            if preset == Given::Nothing {
                assert!(param.optional() || param.preset == Preset::Required);
            } else {
                assert!(param.kind.accept(&preset).is_some(), "{}: the default of {}", verb.name, param.name);
            }
        }
        for pattern in verb.gives.iter().filter_map(|p| p.split_once('{')) {
            let name = pattern.1.split('}').next().unwrap();
            assert!(parameters.contains(name), "{} gives something of {name}", verb.name);
        }
    }
}

#[test]
fn every_verb_gives_what_the_table_says() {
    let graph = neighbours();
    let inputs = found(verbs::find("diffmap").unwrap(), &graph, &graph);
    let map = run("diffmap", &[], inputs).unwrap();
    let text = |s: &str| Given::Text(s.to_owned());
    for verb in verbs::all() {
        let mut calls = vec![vec![]];
        match verb.name {
            "calculate_qc_metrics" => calls = vec![vec![("percent_top", Given::Whole(10)), ("qc_vars", text("mt"))]],
            "filter_cells" => calls = ["min_counts", "min_genes"].map(|n| vec![(n, Given::Whole(1))]).to_vec(),
            "filter_genes" => calls = ["min_counts", "min_cells"].map(|n| vec![(n, Given::Whole(1))]).to_vec(),
            "highly_variable_genes" => {
                let flavors = ["seurat", "cell_ranger", "seurat_v3", "pearson_residuals"];
                calls = flavors.map(|f| vec![("flavor", text(f)), ("n_top_genes", Given::Whole(5))]).to_vec();
            }
            "normalize_total" | "pca" | "neighbors" | "umap" | "leiden" => {
                calls.push(vec![("key_added", text("mine"))])
            }
            "regress_out" => calls = vec![vec![("keys", text("score"))]],
            "paga" => calls = vec![vec![("groups", text("batch"))]],
            "ingest" => {
                let of = Given::Other("an object".to_owned());
                let both = Given::List(vec![text("umap"), text("pca")]);
                calls = vec![vec![("adata_ref", of), ("obs", text("type")), ("embedding_method", both)]];
            }
            "transfer_labels" => {
                calls = vec![vec![("adata_ref", Given::Other("an object".to_owned())), ("obs", text("type"))]];
            }
            "sample" => calls = vec![vec![("n", Given::Whole(9))]],
            "sketch" => calls = vec![vec![("n", Given::Whole(9)), ("method", text("leverage"))]],
            "downsample_counts" => calls = vec![vec![("counts_per_cell", Given::Whole(9))]],
            "scrublet" => calls = vec![vec![("n_prin_comps", Given::Whole(2)), ("n_neighbors", Given::Whole(4))]],
            "embedding_density" => {
                let of = |more: Vec<_>| [vec![("basis", text("umap"))], more].concat();
                calls = vec![
                    of(vec![]),
                    of(vec![("groupby", text("batch"))]),
                    of(vec![("components", text("2,1")), ("key_added", text("mine"))]),
                ];
            }
            "harmony_integrate" => calls = vec![vec![("key", text("batch"))]],
            "score_aucell" => calls = vec![vec![("gene_list", text("gene1"))]],
            "score_genes" => calls = vec![vec![("gene_list", text("gene1")), ("n_bins", Given::Whole(2))]],
            "rank_genes_groups" => {
                let of =
                    |method| vec![("groupby", text("batch")), ("method", text(method)), ("pts", Given::Flag(true))];
                calls = vec![of("t-test"), of("wilcoxon"), [of("t-test"), vec![("key_added", text("mine"))]].concat()];
            }
            "dendrogram" => {
                calls = vec![vec![("groupby", text("batch"))], vec![("groupby", text("a")), ("key_added", text("b"))]]
            }
            _ => {}
        }
        let mut met: HashSet<String> = HashSet::new();
        for call in &calls {
            let outcome =
                run(verb.name, call, found(verb, &graph, &map)).unwrap_or_else(|e| panic!("{}: {e}", verb.name));
            met.extend(keys(&outcome.patch));
            if outcome.matrix.is_some() {
                met.insert("X".to_owned());
            }
        }
        for key in &met {
            assert!(verb.gives.iter().any(|p| fits(p, key)), "{} gives {key}", verb.name);
        }
        for pattern in verb.gives.iter().filter(|p| !p.ends_with("batches") && !p.ends_with("intersection")) {
            assert!(met.iter().any(|key| fits(pattern, key)), "{} does not give {pattern}", verb.name);
        }
    }
}

#[test]
fn nothing_outside_a_domain_passes() {
    let odd = [
        Given::Number(f64::NAN),
        Given::Number(f64::INFINITY),
        Given::Number(f64::NEG_INFINITY),
        Given::Missing,
        Given::Number(-1.5),
        Given::Whole(-3),
        Given::Number(2f64.powi(63)),
        Given::Whole(i64::MIN),
        Given::Text("three".to_owned()),
        Given::Flag(true),
        Given::Nothing,
        Given::List(vec![]),
        Given::List(vec![Given::Nothing, Given::Whole(1)]),
        Given::Other("a list".to_owned()),
    ];
    for verb in verbs::all() {
        for param in verb.params.iter().filter(|p| !matches!(p.kind, Kind::Object(_))) {
            for given in &odd {
                let checked = verb.check([(param.name.to_owned(), given.clone())]);
                let allowed = param.kind.accept(given).is_some() || (param.optional() && *given == Given::Nothing);
                match checked {
                    Ok(_) => assert!(allowed, "{}({} = {given})", verb.name, param.name),
                    Err(Error::Argument { parameter, .. }) if parameter == param.name => assert!(!allowed),
                    // Another parameter has no default and is missing.
                    Err(Error::Argument { found: Given::Nothing, .. }) => {}
                    Err(other) => panic!("{other}"),
                }
            }
            let numeric = matches!(param.kind, Kind::Whole(..) | Kind::Number(..));
            let refused = [0, 3, 8, 9, 13].iter().all(|&i| param.kind.accept(&odd[i]).is_none());
            assert!(!numeric || refused, "{}: {}", verb.name, param.name);
        }
        let unknown = verb.check([("nonsense".to_owned(), Given::Nothing)]);
        assert!(matches!(unknown, Err(Error::Argument { found: Given::Text(name), .. }) if name == "nonsense"));
    }
}

#[test]
fn errors_name_verb_parameter_domain_and_argument() {
    let refused = |verb: &'static str, name: &str, given| {
        verbs::find(verb).unwrap().check([(name.to_owned(), given)]).unwrap_err()
    };
    let error = refused("leiden", "n_iterations", Given::Whole(0));
    let expected = "leiden: n_iterations must be a whole number from 1 to 1000000, or -1, found 0";
    assert_eq!(error.to_string(), expected);
    let error = refused("calculate_qc_metrics", "log1p", Given::Nothing);
    assert_eq!(error.in_syntax(&Syntax::R), "calculate_qc_metrics: log1p must be TRUE or FALSE, found NULL");
    assert_eq!(error.in_syntax(&Syntax::PYTHON), "calculate_qc_metrics: log1p must be True or False, found None");
    let error = refused("normalize_total", "target_sum", Given::Number(f64::NAN));
    let expected = "normalize_total: target_sum must be a finite number above 0, or None, found nan";
    assert_eq!(error.in_syntax(&Syntax::PYTHON), expected);
    // Errors that depend on the data have the same form.
    let x = || HashMap::from([("matrix".to_owned(), Input::Matrix(counts()))]);
    let error = run("pca", &[("n_comps", Given::Whole(40))], x()).unwrap_err();
    assert!(error.to_string().starts_with("pca: n_comps must be at least 1 and less than 40,"), "{error}");
    let error = run("filter_cells", &[], x()).unwrap_err();
    let expected =
        "filter_cells: exactly one of min_counts, min_genes, max_counts, max_genes must be given, found none";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn functions_that_are_no_verbs_have_domains_too() {
    let mut names = HashSet::new();
    for function in verbs::FUNCTIONS {
        assert!(names.insert(function.name) && verbs::find(function.name).is_err());
        assert!(std::ptr::eq(function, verbs::function_named(function.in_r.unwrap_or(function.name)).unwrap()));
        for param in function.params {
            let preset = param.preset.given();
            assert!(preset == Given::Nothing || param.kind.accept(&preset).is_some(), "{}", param.name);
            assert!(param.about.ends_with('.'), "{}", param.about);
        }
    }
    let refused = |function: &'static str, name: &str, given: Given| {
        let args = [(name.to_owned(), given)];
        verbs::function_named(function).unwrap().check(function, args).unwrap_err().in_syntax(&Syntax::PYTHON)
    };
    let text = |s: &str| Given::Text(s.to_owned());
    assert_eq!(refused("read_h5ad", "path", text("")), "read_h5ad: path must be a path, found ''");
    let expected = "chunked: chunk_size must be a whole number, 1 or more, found 0";
    assert_eq!(refused("chunked", "chunk_size", Given::Whole(0)), expected);
    let expected = "concat: merge must be 'same', 'unique', 'first' or 'only', or a function, or None, found 'all'";
    assert_eq!(refused("concat", "merge", text("all")), expected);
    let expected = "save_h5ad: X must be True or False, found None";
    assert_eq!(refused("save_h5ad", "X", Given::Nothing), expected);
    let expected = "concat: fill_value must be a number, or a missing value, or None, found 'x'";
    assert_eq!(refused("concat", "fill_value", text("x")), expected);
    let concat = verbs::function_named("concat").unwrap();
    for fill in [Given::Missing, Given::Number(f64::NAN), Given::Whole(0), Given::Nothing] {
        concat.check("concat", [("fill_value".to_owned(), fill)]).unwrap();
    }
    assert!(verbs::function_named("nonsense").is_err());
}

#[test]
fn settings_have_domains() {
    let threads = |given| verbs::setting("threads", &given);
    assert_eq!(threads(Given::Whole(3)).unwrap(), Some(3));
    assert_eq!(threads(Given::Nothing).unwrap(), None);
    for odd in [Given::Whole(0), Given::Number(2f64.powi(63)), Given::Text("many".to_owned()), Given::Flag(true)] {
        assert!(threads(odd).is_err());
    }
    assert!(verbs::setting("memory", &Given::Whole(-5)).is_err());
    // The setting bounds the packed rows.
    let packed = |given: Given| {
        let of = |name: &str| if name == "scratch" { given.clone() } else { Given::Nothing };
        verbs::call(&Session::default(), of).map(|call| call.packed)
    };
    assert_eq!(packed(Given::Nothing).unwrap(), None);
    assert_eq!(packed(Given::Whole(0)).unwrap(), Some(0));
    assert_eq!(packed(Given::Whole(1 << 33)).unwrap(), Some(1 << 33));
    assert!(packed(Given::Whole(-1)).is_err());
}
