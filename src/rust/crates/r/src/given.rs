//! R's arguments in the form of the table of verbs, and the table's defaults as R objects.

use anndataoom_core::given::Given;
use extendr_api::prelude::*;

/// Length of vectors from which on only the class is described.
const MOST: usize = 1 << 20;

/// Converts an argument; one without a form in the table is described by its class.
pub(crate) fn given(x: &Robj) -> Given {
    if x.is_null() {
        return Given::Nothing;
    }
    let described = || {
        let class = x.class().and_then(|mut c| c.next().map(str::to_owned));
        let extents = x.get_attrib("dim").and_then(|d| d.as_integer_vector());
        match (class, extents) {
            (Some(class), Some(extents)) => {
                let extents: Vec<String> = extents.iter().map(i32::to_string).collect();
                Given::Other(format!("{class} of {}", extents.join(" x ")))
            }
            (Some(class), None) => Given::Other(format!("{class} of length {}", x.len())),
            _ => Given::Other(format!("{:?}", x.rtype()).to_lowercase()),
        }
    };
    if x.get_attrib("class").is_some() || x.get_attrib("dim").is_some() || x.len() > MOST {
        return described();
    }
    let items: Vec<Given> = if let Some(v) = x.as_logical_slice() {
        v.iter().map(|b| if b.is_na() { Given::Missing } else { Given::Flag(b.is_true()) }).collect()
    } else if let Some(v) = x.as_integer_slice() {
        v.iter().map(|&i| if i == i32::MIN { Given::Missing } else { Given::Whole(i64::from(i)) }).collect()
    } else if let Some(v) = x.as_real_slice() {
        v.iter().map(|&v| if Rfloat::from(v).is_na() { Given::Missing } else { Given::Number(v) }).collect()
    } else if let Some(v) = x.as_str_iter() {
        v.map(|s| if s.is_na() { Given::Missing } else { Given::Text(s.to_owned()) }).collect()
    } else if let (Rtype::List, Some(list)) = (x.rtype(), x.as_list()) {
        return Given::List(list.values().map(|item| given(&item)).collect());
    } else {
        return described();
    };
    match <[Given; 1]>::try_from(items) {
        Ok([one]) => one,
        Err(items) => Given::List(items),
    }
}

/// Converts a default of the table to an R object.
pub(crate) fn to_robj(x: &Given) -> Robj {
    match x {
        Given::Nothing | Given::Missing | Given::Other(_) => ().into(),
        Given::Flag(b) => (*b).into(),
        Given::Whole(i) => (*i as f64).into(),
        Given::Number(v) => (*v).into(),
        Given::Text(s) => s.as_str().into(),
        Given::List(items) => {
            let numbers =
                items.iter().filter_map(|item| if let Given::Whole(i) = item { Some(*i as f64) } else { None });
            numbers.collect::<Vec<f64>>().into()
        }
    }
}
