//! Checks that a file's claims are verified before memory or time is spent on them: an error names
//! the element, and legal files are read.

use anndataoom_core::element::{self, DataFrame, Value};
use anndataoom_core::store::{External, Store};
use anndataoom_core::write::{write_h5ad, H5adPlan, Part, WriteOptions};
use anndataoom_core::Session;
use hdf5::types::VarLenUnicode;
use std::path::{Path, PathBuf};
use std::str::FromStr;

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../../tests/golden/fuzz").join(name)
}

/// Copies an element of a file, undecoded, into another file.
fn copied(file: &Path, element: &str) -> Result<(), anndataoom_core::Error> {
    let store = Store::open(file)?;
    let names =
        || DataFrame { index_name: None, index: Box::new(Value::strings(["a".to_owned()])), columns: Vec::new() };
    let mut plan = H5adPlan::new(None, names().into(), names().into());
    plan.uns = vec![("copy".to_owned(), Part::copy(&store, element))];
    let to = std::env::temp_dir().join(format!(
        "anndataoom-hostile-{}-{}.h5ad",
        std::process::id(),
        element.replace('/', "-")
    ));
    let done = write_h5ad(&plan, &to, &WriteOptions::default(), &Session::with_threads(1));
    let _ = std::fs::remove_file(&to);
    done.map(drop)
}

#[test]
fn lengths_of_texts_are_looked_at_wherever_they_are() {
    for (name, element, found) in [
        ("attribute-text-length", "obs/column", "attribute 'note': text 0 (zero-based) of 4000000000 bytes"),
        ("compact-text-length", "uns/text", "text 0 (zero-based) of 4000000000 bytes"),
        ("record-text-length", "uns/records", "text 0 (zero-based) of 4000000000 bytes"),
        ("list-length", "uns/lists", "text 0 (zero-based) of 400000000 bytes, 3200000000 in all"),
        ("text-storage", "uns/text", "extents [2] in 17592186044448 bytes"),
    ] {
        let file = golden(&format!("made-{name}.h5"));
        // A list or record inside a record cannot be copied alone, so its parent is copied.
        let copy = if ["list-length", "record-text-length"].contains(&name) { "uns" } else { element };
        let e = copied(&file, copy).unwrap_err().to_string();
        assert!(e.contains(found) && e.contains(&format!("'{element}'")) && e.contains(name), "{name}: {e}");
        let read = element::read(&Store::open(&file).unwrap(), element);
        match (name, read) {
            // No reader asks for this attribute.
            ("attribute-text-length", read) => assert!(read.is_ok()),
            // These elements have no reader and are only copied.
            ("list-length" | "record-text-length", _) => {}
            (_, read) => {
                let e = read.unwrap_err().to_string();
                assert!(e.contains(found), "{name}: {e}");
            }
        }
    }
}

#[test]
fn far_more_chunks_than_are_stored_are_refused() {
    let file = golden("made-tiny-chunks.h5");
    let store = Store::open(&file).unwrap();
    let e = element::read(&store, "uns/numbers").unwrap_err().to_string();
    assert!(e.contains("1 stored of the 1392641 that extents [16711692] have"), "{e}");
    assert!(store.node("uns/numbers").is_ok());
}

/// The path of a test's file, which is removed at the end.
struct File(PathBuf);
impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn what_is_not_stored_is_the_fill_value() {
    let path = std::env::temp_dir().join(format!("anndataoom-fill-{}.h5", std::process::id()));
    let path = File(path);
    let file = hdf5::File::create(&path.0).unwrap();
    file.new_dataset::<f32>().chunk((100, 100)).shape((1000, 1000)).fill_value(2.5_f32).create("never").unwrap();
    file.new_dataset::<i64>().shape(300).create("late").unwrap();
    let text = VarLenUnicode::from_str("fill").unwrap();
    let texts = file.new_dataset::<VarLenUnicode>().chunk(10).shape(25).fill_value(text).create("texts").unwrap();
    let some: Vec<VarLenUnicode> = (0..10).map(|i| VarLenUnicode::from_str(&i.to_string()).unwrap()).collect();
    texts.write_slice(&some, 10..20).unwrap();
    // 128 MB in all, of which an eighth is stored.
    let large = file.new_dataset::<f64>().chunk(1 << 21).shape(1 << 24).create("large").unwrap();
    large.write_slice(&vec![1.0; 1 << 21], 1 << 22..(1 << 22) + (1 << 21)).unwrap();
    drop((texts, large));
    file.close().unwrap();

    let store = Store::open(&path.0).unwrap();
    let read = |name: &str| element::read(&store, name).unwrap();
    let shown = |name: &str| format!("{:?}", read(name));
    assert!(shown("never").contains("2.5") && !shown("never").contains("0.0"));
    assert!(shown("late").contains('0'));
    let found = shown("texts");
    assert_eq!(found.matches("fill").count(), 15, "{found}");
    assert!(found.contains("fill0123456789fill"));
    read("large");
    copied(&path.0, "texts").unwrap();
}

#[test]
#[ignore = "started by the other, with the variables set"]
fn with_folders_of_the_environment() {
    let Ok(file) = std::env::var("ANNDATAOOM_HOSTILE_FILE") else { return };
    for policy in [External::SameFolder, External::Follow] {
        let store = Store::open_as(&file, false, policy).unwrap();
        for name in ["external", "virtual"] {
            match element::read(&store, name) {
                Ok(value) => println!("{name} read: {value:?}"),
                Err(e) => println!("{name} refused: {e}"),
            }
        }
    }
}

#[test]
fn folders_of_the_environment_replace_no_file_that_was_checked() {
    let dir = std::env::temp_dir().join(format!("anndataoom-prefix-{}", std::process::id()));
    let (here, away) = (dir.join("here"), dir.join("away"));
    for (folder, value) in [(&here, 1.5_f64), (&away, 2.5)] {
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join("values.raw"), [value; 4].map(f64::to_le_bytes).concat()).unwrap();
        let other = hdf5::File::create(folder.join("values.h5")).unwrap();
        other.new_dataset_builder().with_data(&[value; 4]).create("v").unwrap();
    }
    let path = here.join("a.h5");
    {
        let file = hdf5::File::create(&path).unwrap();
        file.new_dataset::<f64>().shape(4).external("values.raw", 0, 32).create("external").unwrap();
        file.new_dataset::<f64>().shape(4).virtual_map("values.h5", "v", 4, .., 4, ..).create("virtual").unwrap();
    }
    let run = |variables: &[&str]| {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "--ignored", "--nocapture", "with_folders_of_the_environment"]);
        child.env("ANNDATAOOM_HOSTILE_FILE", &path);
        child.envs(variables.iter().map(|v| (v, &away)));
        String::from_utf8(child.output().unwrap().stdout).unwrap()
    };
    let plain = run(&[]);
    assert_eq!((plain.matches("1.5, 1.5").count() >= 4, plain.contains("refused")), (true, false), "{plain}");
    let both = run(&["HDF5_EXTFILE_PREFIX", "HDF5_VDS_PREFIX"]);
    assert!(!both.contains("2.5") && !both.contains(" read: "), "{both}");
    for variable in ["HDF5_EXTFILE_PREFIX", "HDF5_VDS_PREFIX"] {
        assert_eq!(both.matches(&format!("unset {variable} and start again")).count(), 2, "{both}");
    }
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn parameters_of_blosc_are_not_believed() {
    // The Blosc filter of other programs reads parameters by position and looks up names by their
    // values. Here both the number and the values of parameters are wrong.
    for (i, parameters) in [&[2_u32, 2][..], &[2, 2, 8, 64], &[2, 2, 8, 64, 5, 1, 99], &[0; 7]].into_iter().enumerate()
    {
        let path = File(std::env::temp_dir().join(format!("anndataoom-blosc-{}-{i}.h5", std::process::id())));
        let some: Vec<VarLenUnicode> = (0..9).map(|i| VarLenUnicode::from_str(&i.to_string()).unwrap()).collect();
        {
            // The HDF5 library of this process has this package's filter once a store has been
            // opened.
            Store::open(golden("matrix-1.h5")).ok();
            let file = hdf5::File::create(&path.0).unwrap();
            let texts = file
                .new_dataset::<VarLenUnicode>()
                .chunk(4)
                .set_filters(&[hdf5::filters::Filter::user(32001, parameters)])
                .shape(9)
                .create("texts")
                .unwrap();
            texts.write(&some).unwrap();
        }
        let store = Store::open(&path.0).unwrap();
        let found = format!("{:?}", element::read(&store, "texts").unwrap());
        assert!(found.contains("012345678"), "{found}");
        copied(&path.0, "texts").unwrap();
    }
}
