//! Makes and prunes categories, in anndata's order.

use super::{Categorical, Value};
use crate::error::{Error, Result};
use crate::memory;
use crate::natural_order;
use std::collections::HashMap;

const CODES: &str = "codes of a categorical";

impl Categorical {
    /// Makes a categorical of texts, its categories in natural order; `None` is missing.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn from_texts(texts: &[Option<&str>]) -> Result<Categorical> {
        let mut categories: Vec<&str> = memory::room(texts.len(), CODES)?;
        categories.extend(texts.iter().flatten().copied());
        categories.sort_unstable();
        categories.dedup();
        categories.sort_by(|a, b| natural_order(a, b));
        let code_of: HashMap<&str, i32> = categories.iter().copied().zip(0..).collect();
        let code = |text: &Option<&str>| text.and_then(|t| code_of.get(t).copied()).unwrap_or(-1);
        Ok(Categorical {
            codes: memory::collected(texts.iter().map(code), CODES)?,
            categories: Box::new(Value::strings(&categories)),
            ordered: false,
        })
    }

    /// Returns the categorical without unused categories, as anndata does for a selection.
    ///
    /// # Errors
    /// [`Error::Shape`] for a code without a category; [`Error::OutOfMemory`].
    pub fn in_use(&self) -> Result<Categorical> {
        let n = self.categories.len().unwrap_or(0);
        let mut used = memory::zeros::<bool>(n, CODES)?;
        for &code in self.codes.iter().filter(|&&code| code != -1) {
            let found = usize::try_from(code).ok().and_then(|code| used.get_mut(code));
            *found.ok_or_else(|| Error::shape("codes", format!("-1 to {}", n as i64 - 1), code))? = true;
        }
        let n_used = used.iter().filter(|&&used| used).count();
        let kept: Vec<u32> = memory::exactly(n_used, (0..n as u32).filter(|&k| used[k as usize]), CODES)?;
        let mut new = memory::filled(n, -1, CODES)?;
        kept.iter().zip(0..).for_each(|(&k, code)| new[k as usize] = code);
        Ok(Categorical {
            codes: memory::collected(
                self.codes.iter().map(|&code| if code < 0 { -1 } else { new[code as usize] }),
                CODES,
            )?,
            categories: Box::new(self.categories.select(Some(&kept), None)?),
            ordered: self.ordered,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_categories_in_natural_order() {
        let made = Categorical::from_texts(&[Some("c10"), None, Some("c9"), Some("c10"), Some("")]).unwrap();
        assert_eq!(*made.categories, Value::strings(["", "c9", "c10"]));
        assert_eq!(made.codes, [2, -1, 1, 2, 0]);
    }

    #[test]
    fn categories_without_values_go() {
        let categories = Box::new(Value::vector(vec![1.5f32, 2.5, 3.5]));
        let all = Categorical { codes: vec![2, -1, 0, 2], categories, ordered: true };
        let used = all.in_use().unwrap();
        assert_eq!(used.codes, [1, -1, 0, 1]);
        assert_eq!(*used.categories, Value::vector(vec![1.5f32, 3.5]));
        assert!(used.ordered);
        let bad = Categorical { codes: vec![3], ..all };
        assert!(bad.in_use().is_err());
    }
}
