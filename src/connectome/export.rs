//! A connectome in the forms of others: The Virtual Brain, matrices with names, numpy archives.

use std::fmt::Write as _;
use std::io::{Cursor, Write as _};

use ndarray::Array2;
use ndarray_npy::WriteNpyExt;
use zip::write::SimpleFileOptions;

use super::{Connectome, DEFAULT_GROUP, WeightKind};

/// A file of an export.
#[derive(Debug, Clone)]
pub struct Exported {
    /// Name inside its folder or archive.
    pub name: String,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// Matrices by name, `[target, source]`: `fln` or `strength` (0 where no link is), `sln`, `distance_mm`,
/// `delay_ms` (NaN where not given).
fn matrices(connectome: &Connectome) -> Vec<(&'static str, Array2<f64>)> {
    let n = connectome.n_areas();
    let mut weights = Array2::zeros((n, n));
    for (&w, at) in &connectome.fln {
        weights[at] = w;
    }
    let name = match connectome.weights {
        WeightKind::Fln => "fln",
        WeightKind::Strength => "strength",
        WeightKind::Signed => "weight",
    };
    let mut out = vec![(name, weights)];
    if let Some(sln) = &connectome.sln {
        let mut dense = Array2::from_elem((n, n), f64::NAN);
        for (&s, at) in sln {
            dense[at] = s;
        }
        out.push(("sln", dense));
    }
    let more = [
        ("distance_mm", &connectome.distance_mm),
        ("delay_ms", &connectome.delay_ms),
    ];
    out.extend(
        more.into_iter()
            .filter_map(|(name, m)| Some((name, m.clone()?))),
    );
    out
}

/// A table a matrix, names in the first line and the first column, blank where nothing is given; and
/// `areas.csv` with gradients.
#[must_use]
pub fn csv_tables(connectome: &Connectome) -> Vec<Exported> {
    let names: Vec<&str> = connectome.area_names().collect();
    let mut out = Vec::new();
    let mut table = |name: &str, header: Vec<String>, rows: Vec<Vec<String>>| {
        let mut writer = csv::Writer::from_writer(Vec::new());
        for row in std::iter::once(&header).chain(&rows) {
            writer.write_record(row).expect("memory takes it");
        }
        out.push(Exported {
            name: format!("{name}.csv"),
            bytes: writer.into_inner().expect("memory takes it"),
        });
    };
    let number = |x: f64| {
        if x.is_nan() {
            String::new()
        } else {
            format!("{x}")
        }
    };
    for (name, matrix) in matrices(connectome) {
        let header = std::iter::once("target \\ source").chain(names.iter().copied());
        let rows = names.iter().zip(matrix.outer_iter()).map(|(area, row)| {
            let values = row.iter().map(|x| number(*x));
            std::iter::once((*area).to_owned()).chain(values).collect()
        });
        table(name, header.map(str::to_owned).collect(), rows.collect());
    }
    let gradients = connectome.gradients.iter();
    let header = std::iter::once("area").chain(gradients.map(|g| g.name.as_str()));
    let rows = names.iter().enumerate().map(|(k, area)| {
        let values = connectome.gradients.iter().map(|g| number(g.values[k]));
        std::iter::once((*area).to_owned()).chain(values).collect()
    });
    table("areas", header.map(str::to_owned).collect(), rows.collect());
    out
}

/// A connectivity of The Virtual Brain: `weights.txt` (rows are targets), `tract_lengths.txt` (mm, 0 where
/// not given) and `centres.txt` (0 where the data set has no positions), in a zip file.
///
/// # Errors
/// Names with blanks, which its files cannot hold.
pub fn tvb_zip(connectome: &Connectome) -> Result<Vec<u8>, String> {
    if let Some(name) = connectome
        .area_names()
        .find(|n| n.contains(char::is_whitespace))
    {
        return Err(format!(
            "area `{name}`: found a blank in a name, expected none, because The Virtual Brain parts columns by blanks"
        ));
    }
    let text = |matrix: &Array2<f64>| -> String {
        let mut out = String::new();
        for row in matrix.outer_iter() {
            let row: Vec<String> = row
                .iter()
                .map(|x| format!("{}", if x.is_nan() { 0.0 } else { *x }))
                .collect();
            let _ = writeln!(out, "{}", row.join(" "));
        }
        out
    };
    let all = matrices(connectome);
    let n = connectome.n_areas();
    let lengths = all.iter().find(|(name, _)| *name == "distance_mm");
    let lengths = lengths.map_or_else(|| Array2::zeros((n, n)), |(_, m)| m.clone());
    let mut centres = String::new();
    for area in &connectome.areas {
        let [x, y, z] = area.position_mm.unwrap_or_default();
        let _ = writeln!(centres, "{} {x} {y} {z}", area.name);
    }
    let files = [
        ("weights.txt", text(&all[0].1)),
        ("tract_lengths.txt", text(&lengths)),
        ("centres.txt", centres),
    ];
    let files = files.map(|(name, text)| Exported {
        name: name.to_owned(),
        bytes: text.into_bytes(),
    });
    Ok(archive(&files))
}

/// What a data set has and [`tvb_zip`] does not hold.
#[must_use]
pub fn left_out_of_tvb(connectome: &Connectome) -> Vec<&str> {
    let mut out: Vec<&str> = (connectome.gradients.iter())
        .map(|g| g.name.as_str())
        .collect();
    let areas = &connectome.areas;
    for (what, there) in [
        ("SLN", connectome.sln.is_some()),
        ("delays", connectome.delay_ms.is_some()),
        ("lobes", areas.iter().any(|a| a.lobe.is_some())),
        ("groups", areas.iter().any(|a| a.group != DEFAULT_GROUP)),
    ] {
        if there {
            out.push(what);
        }
    }
    out
}

/// A numpy archive of the matrices, `areas` as text, and every gradient under its name.
#[must_use]
pub fn npz(connectome: &Connectome) -> Vec<u8> {
    let names: Vec<&str> = connectome.area_names().collect();
    let mut files = vec![Exported {
        name: "areas.npy".to_owned(),
        bytes: text_npy(&names),
    }];
    for (name, matrix) in matrices(connectome) {
        files.push(npy(name, &matrix.into_dyn()));
    }
    for gradient in &connectome.gradients {
        let values = ndarray::Array1::from(gradient.values.clone());
        files.push(npy(&gradient.name, &values.into_dyn()));
    }
    archive(&files)
}

fn npy(name: &str, values: &ndarray::ArrayD<f64>) -> Exported {
    let mut bytes = Vec::new();
    values.write_npy(&mut bytes).expect("memory takes it");
    Exported {
        name: format!("{name}.npy"),
        bytes,
    }
}

/// Names as numpy's fixed-width text (`<U…`, four bytes a character), which its crate does not write.
/// The format is that of numpy's `NPY` version 1.0.
fn text_npy(names: &[&str]) -> Vec<u8> {
    let width = names
        .iter()
        .map(|n| n.chars().count())
        .max()
        .unwrap_or(0)
        .max(1);
    let mut header = format!(
        "{{'descr': '<U{width}', 'fortran_order': False, 'shape': ({},), }}",
        names.len()
    );
    // Magic, version and length take ten bytes; the whole is a multiple of 64 and ends in a new line.
    let filled = (10 + header.len() + 1).next_multiple_of(64);
    header += &" ".repeat(filled - 10 - header.len() - 1);
    header.push('\n');
    let mut out = b"\x93NUMPY\x01\x00".to_vec();
    out.extend((header.len() as u16).to_le_bytes());
    out.extend(header.as_bytes());
    for name in names {
        let mut letters: Vec<u32> = name.chars().map(u32::from).collect();
        letters.resize(width, 0);
        out.extend(letters.iter().flat_map(|c| c.to_le_bytes()));
    }
    out
}

/// A zip file that does not tell when it was made: equal data, equal bytes.
fn archive(files: &[Exported]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().last_modified_time(zip::DateTime::default());
    for file in files {
        writer
            .start_file(&file.name, options)
            .expect("memory takes it");
        writer.write_all(&file.bytes).expect("memory takes it");
    }
    writer.finish().expect("memory takes it").into_inner()
}
