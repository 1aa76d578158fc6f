//! Checks that imports point left: a room imports from rooms before it, and files do not import
//! each other in a circle. The imports are parsed from the sources, without their tests.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The rooms from left to right. The first ones are the vocabulary that all rooms share.
const ROOMS: [&str; 26] = [
    "location", "given", "error", "reserve", "memory", "encoded", "vector", "natural", "random", "simd", "team",
    "session", "dtype", "codec", "store", "element", "patch", "matrix", "chain", "stream", "ops", "graph", "verbs",
    "write", "sim", "text",
];

/// A module as its path in the crate; empty for the crate's root.
type Module = Vec<String>;

fn read(folder: &Path, module: &Module, files: &mut BTreeMap<Module, String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let mut inner = module.clone();
        if path.is_dir() {
            inner.push(name);
            read(&path, &inner, files);
        } else if path.extension().is_some_and(|e| e == "rs") {
            if name != "mod" && name != "lib" {
                inner.push(name);
            }
            files.insert(inner, std::fs::read_to_string(&path).unwrap());
        }
    }
}

/// Returns the words and signs of a source, without comments and tests.
fn tokens(source: &str) -> Vec<String> {
    let end = ["#[cfg(test)]\nmod tests", "#[cfg(all(test"].iter().filter_map(|t| source.find(t)).min();
    let mut out = Vec::new();
    for line in source[..end.unwrap_or(source.len())].lines() {
        let mut rest = line.split("//").next().unwrap();
        while let Some(c) = rest.chars().next() {
            let word = |c: char| c.is_alphanumeric() || c == '_';
            let n = match rest.find(|c| !word(c)).unwrap_or(rest.len()) {
                0 if rest.starts_with("::") => 2,
                0 => c.len_utf8(),
                n => n,
            };
            let (token, after) = rest.split_at(n);
            if !token.trim().is_empty() {
                out.push(token.to_owned());
            }
            rest = after;
        }
    }
    out
}

/// Parses one branch of a `use` from token `at` on: adds its paths, each with `prefix` in front, to
/// `out`. `at` is then past the end of the branch.
fn branches(tokens: &[String], at: &mut usize, prefix: &[String], out: &mut Vec<Vec<String>>) {
    let mut path = prefix.to_vec();
    while let Some(token) = tokens.get(*at) {
        *at += 1;
        match token.as_str() {
            "{" => loop {
                branches(tokens, at, &path, out);
                if tokens.get(*at - 1).is_none_or(|t| t == "}") {
                    // This `}` ends the list; the sign after it ends the branch.
                    if !matches!(tokens.get(*at).map(String::as_str), Some("," | "}" | ";")) {
                        return;
                    }
                    *at += 1;
                    return;
                }
            },
            "," | "}" | ";" => {
                if path.len() > prefix.len() {
                    out.push(path);
                }
                return;
            }
            "::" => {}
            "as" => *at += 1,
            name => path.push(name.to_owned()),
        }
    }
}

/// Returns the paths that a module names, and whether each is re-exported.
fn paths(tokens: &[String]) -> Vec<(Vec<String>, bool)> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let starts = at == 0 || tokens[at - 1] != "::";
        match tokens[at].as_str() {
            "use" => {
                let public = at > 0 && (tokens[at - 1] == "pub" || tokens[at - 1] == ")");
                at += 1;
                let mut found = Vec::new();
                branches(tokens, &mut at, &[], &mut found);
                out.extend(found.into_iter().map(|path| (path, public)));
            }
            "crate" | "super" | "self" if starts && tokens.get(at + 1).is_some_and(|t| t == "::") => {
                let mut path = vec![tokens[at].clone()];
                while tokens.get(at + 1).is_some_and(|t| t == "::") {
                    path.extend(tokens.get(at + 2).cloned());
                    at += 2;
                }
                out.push((path, false));
                at += 1;
            }
            _ => at += 1,
        }
    }
    out
}

/// Resolves a path in module `from`: returns the module that it leads to, and the name in that
/// module that it ends with, if any. Returns `None` for a path outside the crate.
fn resolve(modules: &BTreeSet<Module>, from: &Module, path: &[String]) -> Option<(Module, Option<String>)> {
    let mut at = from.clone();
    let mut path = path;
    match path.first()?.as_str() {
        "crate" => (at, path) = (Module::new(), &path[1..]),
        "self" => path = &path[1..],
        "super" => {
            while path.first().is_some_and(|p| p == "super") {
                at.pop();
                path = &path[1..];
            }
        }
        first => {
            let mut child = from.clone();
            child.push(first.to_owned());
            modules.get(&child)?;
        }
    }
    for name in path {
        at.push(name.clone());
        if !modules.contains(&at) {
            at.pop();
            return Some((at, Some(name.clone())));
        }
    }
    Some((at, None))
}

/// Returns, for each module, the modules that it imports from.
fn imports() -> BTreeMap<Module, BTreeSet<Module>> {
    let mut files = BTreeMap::new();
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &Module::new(), &mut files);
    let modules: BTreeSet<Module> = files.keys().cloned().collect();
    let named: BTreeMap<&Module, _> = files.iter().map(|(m, source)| (m, paths(&tokens(source)))).collect();
    let mut exports = BTreeMap::new();
    for (&module, paths) in &named {
        // Files of a folder also see the imports of its `mod.rs`.
        let door = modules.iter().any(|inner| inner.len() == module.len() + 1 && inner.starts_with(module));
        for (path, _) in paths.iter().filter(|(_, public)| *public || door) {
            if let (Some(target), Some(name)) = (resolve(&modules, module, path), path.last()) {
                exports.insert((module.clone(), name.clone()), target);
            }
        }
    }
    let mut out = BTreeMap::new();
    for (&module, paths) in &named {
        let all: &mut BTreeSet<Module> = out.entry(module.clone()).or_default();
        for (path, _) in paths {
            let Some((mut at, mut name)) = resolve(&modules, module, path) else { continue };
            for _ in 0..8 {
                let Some(next) = name.as_ref().and_then(|n| exports.get(&(at.clone(), n.clone()))) else { break };
                (at, name) = next.clone();
            }
            // A folder's `mod.rs` may know its own files. A name in the crate's root is a macro.
            if at != *module && !at.starts_with(module) && !at.is_empty() {
                all.insert(at);
            }
        }
    }
    out
}

#[test]
fn rooms_know_those_before_them() {
    let place = |room: &String| {
        let place = ROOMS.iter().position(|r| r == room);
        place.unwrap_or_else(|| panic!("the room '{room}' has no place in ROOMS"))
    };
    let mut wrong = Vec::new();
    for (module, targets) in imports() {
        let Some(room) = module.first() else { continue };
        for target in targets.iter().filter_map(|t| t.first()) {
            if place(target) > place(room) {
                wrong.push(format!("{} imports from {target}", module.join("::")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_files_import_in_a_circle() {
    let imports = imports();
    // The files that each file reaches; two files that reach each other are in a circle.
    let reach = |from: &Module| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
        while let Some(module) = open.pop() {
            for next in imports.get(module).into_iter().flatten() {
                if seen.insert(next) {
                    open.push(next);
                }
            }
        }
        seen
    };
    let reached: BTreeMap<&Module, BTreeSet<&Module>> = imports.keys().map(|m| (m, reach(m))).collect();
    let mut circles = BTreeSet::new();
    for (&module, targets) in reached.iter().filter(|(m, targets)| targets.contains(*m)) {
        let together = targets.iter().filter(|t| reached.get(*t).is_some_and(|back| back.contains(module)));
        circles.insert(together.map(|m| m.join("::")).collect::<Vec<_>>());
    }
    assert!(circles.is_empty(), "files that import each other: {circles:?}");
}

/// Checks the parser itself: known imports are found, and some that do not exist are not.
#[test]
fn imports_are_found() {
    let imports = imports();
    let module = |path: &str| path.split("::").map(str::to_owned).collect::<Module>();
    assert!(imports[&module("matrix::csr")].contains(&module("matrix::sparse")));
    assert!(imports[&module("store::backends")].contains(&module("store::hdf5")));
    assert!(imports[&module("element::encoding::dict")].contains(&module("element::value")));
    assert!(!imports[&module("codec::pipeline")].iter().any(|m| m[0] == "store"));
    assert!(imports.len() > 150, "{}", imports.len());
}

/// Checks that no module outside the folder of the HDF5 backend names it, except the list of
/// backends.
#[test]
fn hdf5_is_named_in_its_folder_alone() {
    let mut files = BTreeMap::new();
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &Module::new(), &mut files);
    for (module, source) in &files {
        if module.starts_with(&["store".to_owned(), "hdf5".to_owned()]) {
            continue;
        }
        let words = tokens(source);
        let named: Vec<_> = words.windows(2).filter(|w| w[0].starts_with("hdf5") && w[1] == "::").collect();
        assert!(
            named.is_empty() || module.join("::") == "store::backends",
            "{} names {:?}",
            module.join("::"),
            named[0]
        );
        assert!(!words.iter().any(|w| w == "hdf5_sys" || w == "h5call"), "{}", module.join("::"));
    }
}
