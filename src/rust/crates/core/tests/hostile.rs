//! What a file claims is looked at before memory or time is taken for it: an error names the element, and what is legal
//! is read.

use anndataoom_core::element::{self, DataFrame, Value};
use anndataoom_core::store::Store;
use anndataoom_core::write::{write_h5ad, H5adPlan, Part, WriteOptions};
use anndataoom_core::Context;
use hdf5::types::VarLenUnicode;
use std::path::{Path, PathBuf};
use std::str::FromStr;

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../../tests/golden/fuzz").join(name)
}

/// Writes the element of a file, unread, into another.
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
    let done = write_h5ad(&plan, &to, &WriteOptions::default(), &Context::with_threads(1));
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
        let e = copied(&file, element).unwrap_err().to_string();
        assert!(e.contains(found) && e.contains(&format!("'{element}'")) && e.contains(name), "{name}: {e}");
        let read = element::read(&Store::open(&file).unwrap(), element);
        match (name, read) {
            // Nobody asks for this attribute.
            ("attribute-text-length", read) => assert!(read.is_ok()),
            ("list-length" | "record-text-length", read) => assert!(read.is_err()),
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

/// A file of this test, gone at its end.
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
    // 128 MB, of which an eighth is stored.
    let large = file.new_dataset::<f64>().chunk(1 << 21).shape(1 << 24).create("large").unwrap();
    large.write_slice(&vec![1.0; 1 << 21], 1 << 22..(1 << 22) + (1 << 21)).unwrap();
    file.close().unwrap();

    let store = Store::open(&path.0).unwrap();
    let read = |name: &str| element::read(&store, name).unwrap();
    let shown = |name: &str| format!("{:?}", read(name));
    assert!(shown("never").contains("2.5") && !shown("never").contains("0.0"));
    assert!(shown("late").contains('0'));
    let found = shown("texts");
    assert_eq!(found.matches("\"fill\"").count(), 15, "{found}");
    assert!(found.contains("\"7\""));
    read("large");
    copied(&path.0, "texts").unwrap();
}
