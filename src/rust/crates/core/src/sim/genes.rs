//! Names of cell types with their known markers, of genes, and of cells (barcodes).

use crate::random::mix_next;

/// Types of blood cells, each with its markers; a marker may serve several types.
pub(super) const TYPES: [(&str, &[&str]); 8] = [
    ("CD4 T", &["CD3D", "CD3E", "CD3G", "TRAC", "IL7R", "LTB", "TCF7", "CCR7", "LEF1", "MAL", "LDHB", "CD2", "CD27"]),
    (
        "CD14 Mono",
        &["LYZ", "CD14", "S100A8", "S100A9", "S100A12", "FCN1", "VCAN", "CST3", "TYROBP", "LGALS2", "CD68", "MNDA"],
    ),
    (
        "B",
        &["MS4A1", "CD79A", "CD79B", "CD19", "BANK1", "TCL1A", "CD74", "HLA-DRA", "HLA-DPB1", "CD37", "IGHM", "IGHD"],
    ),
    ("NK", &["NKG7", "GNLY", "KLRD1", "KLRF1", "GZMB", "PRF1", "CTSW", "FGFBP2", "SPON2", "CST7", "FCGR3A", "TYROBP"]),
    (
        "CD8 T",
        &["CD3D", "CD3E", "CD3G", "TRAC", "CD8A", "CD8B", "GZMK", "GZMA", "CCL5", "CST7", "KLRG1", "CD2", "NKG7"],
    ),
    (
        "FCGR3A Mono",
        &["FCGR3A", "MS4A7", "LST1", "AIF1", "LYZ", "CDKN1C", "RHOC", "IFITM3", "CST3", "TYROBP", "CD68", "CKB"],
    ),
    ("DC", &["FCER1A", "CLEC10A", "CD1C", "CST3", "HLA-DRA", "HLA-DPB1", "CD74", "ENHO", "CLIC2", "LYZ"]),
    ("Platelet", &["PPBP", "PF4", "GNG11", "SDPR", "TUBB1", "CLU", "GP9", "SPARC", "CA2", "NRGN"]),
];

/// The protein-coding genes of the mitochondrion.
pub(super) const MITOCHONDRIAL: [&str; 13] = [
    "MT-ND1", "MT-ND2", "MT-CO1", "MT-CO2", "MT-ATP8", "MT-ATP6", "MT-CO3", "MT-ND3", "MT-ND4L", "MT-ND4", "MT-ND5",
    "MT-ND6", "MT-CYB",
];

/// Genes with high expression in every cell.
pub(super) const HOUSEKEEPING: [&str; 16] = [
    "MALAT1", "B2M", "TMSB4X", "ACTB", "EEF1A1", "TPT1", "FTL", "FTH1", "TMSB10", "HLA-A", "HLA-B", "HLA-C", "GAPDH",
    "PTMA", "UBA52", "ACTG1",
];

const RPL: [&str; 34] = [
    "3", "4", "5", "6", "7", "7A", "8", "9", "10", "10A", "11", "12", "13", "13A", "14", "15", "17", "18", "18A", "19",
    "21", "22", "23", "23A", "24", "26", "27", "27A", "28", "29", "30", "31", "32", "34",
];
const RPS: [&str; 26] = [
    "2", "3", "3A", "4X", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "15A", "16", "17", "18", "19",
    "20", "23", "24", "25", "27", "28",
];

/// The role of a gene, which decides its expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Ordinary,
    Marker,
    Housekeeping,
    Ribosomal,
    Mitochondrial,
}

/// Returns the `n_vars` genes of a simulation in matrix order. At most half of them have real
/// names, markers first, at pseudo-random places that the seed determines; the others are GENE00001
/// and so on. The `MT-` genes are at the end.
pub(super) fn genes(n_vars: usize, seed: u64) -> Vec<(String, Kind)> {
    let mut named: Vec<(String, Kind)> = Vec::new();
    for rank in 0..TYPES.iter().map(|t| t.1.len()).max().unwrap_or(0) {
        for (_, markers) in TYPES {
            if let Some(m) = markers.get(rank) {
                if !named.iter().any(|(n, _)| n == m) {
                    named.push(((*m).to_owned(), Kind::Marker));
                }
            }
        }
    }
    named.extend(HOUSEKEEPING.iter().map(|&n| (n.to_owned(), Kind::Housekeeping)));
    let ribosomal = RPL.iter().map(|n| format!("RPL{n}")).chain(RPS.iter().map(|n| format!("RPS{n}")));
    named.extend(ribosomal.map(|n| (n, Kind::Ribosomal)));

    let n_mt = MITOCHONDRIAL.len().min(n_vars / 8);
    named.truncate(n_vars / 2 - n_mt);
    let n_nuclear = n_vars - n_mt;
    let mut places: Vec<usize> = (0..n_nuclear).collect();
    places.sort_by_key(|&p| (mix_next(seed ^ mix_next(p as u64)), p));
    let mut slots: Vec<Option<(String, Kind)>> = vec![None; n_nuclear];
    for (place, gene) in places.into_iter().zip(named) {
        slots[place] = Some(gene);
    }
    let width = n_vars.to_string().len().max(5);
    let mut number = 0;
    slots
        .into_iter()
        .map(|slot| {
            slot.unwrap_or_else(|| {
                number += 1;
                (format!("GENE{number:0width$}"), Kind::Ordinary)
            })
        })
        .chain(MITOCHONDRIAL.iter().take(n_mt).map(|&n| (n.to_owned(), Kind::Mitochondrial)))
        .collect()
}

/// Returns the name of cell type `t`: a type of blood cell, then "Type 9", "Type 10", ...
pub(super) fn type_name(t: usize) -> String {
    TYPES.get(t).map_or_else(|| format!("Type {}", t + 1), |(name, _)| (*name).to_owned())
}

/// Returns a barcode of 16 bases and "-1" for cell `row`. Barcodes do not repeat, because they are
/// a bijection of the 32-bit integers, written in base 4.
pub(super) fn barcode(row: u32, seed: u64) -> String {
    let key = mix_next(seed);
    let mut x = row ^ key as u32;
    for round in 0..3 {
        x = x.wrapping_mul(((key >> 32) as u32).rotate_left(round * 11) | 1);
        x ^= x >> 15;
        x = x.wrapping_mul(0x2C1B_3C6D);
        x ^= x >> 13;
    }
    let mut out: String = (0..16).map(|i| ['A', 'C', 'G', 'T'][(x >> (2 * i)) as usize & 3]).collect();
    out.push_str("-1");
    out
}

/// Returns an identifier for gene `g` in the form of Ensembl's.
pub(super) fn gene_id(g: usize) -> String {
    format!("ENSG{:011}", 100_000 + 7 * g)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique_and_complete() {
        for n in [20, 100, 700, 30_000] {
            let g = genes(n, 1);
            assert_eq!(g.len(), n);
            assert_eq!(g.iter().map(|x| &x.0).collect::<HashSet<_>>().len(), n);
            assert!(g.iter().any(|x| x.0.starts_with("MT-")));
            assert!(g.iter().any(|x| x.0 == "CD3D"));
        }
        assert_eq!(genes(700, 1).iter().filter(|x| x.1 == Kind::Mitochondrial).count(), 13);
    }

    #[test]
    fn barcodes_do_not_repeat() {
        let seen: HashSet<String> = (0..200_000).map(|i| barcode(i, 5)).collect();
        assert_eq!(seen.len(), 200_000);
        assert!(seen.iter().all(|b| b.len() == 18 && b.ends_with("-1")));
    }
}
