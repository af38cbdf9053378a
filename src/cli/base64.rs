//! Bytes as text, for what is embedded in SVG and HTML.

/// Base64 with padding (RFC 4648, section 4).
pub(super) fn base64(bytes: &[u8]) -> String {
    const SIGNS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for part in bytes.chunks(3) {
        let all = part
            .iter()
            .enumerate()
            .fold(0u32, |n, (i, b)| n | u32::from(*b) << (16 - 8 * i));
        for i in 0..4 {
            let six = (all >> (18 - 6 * i)) as usize & 63;
            out.push(if i <= part.len() {
                char::from(SIGNS[six])
            } else {
                '='
            });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn all_remainders_are_padded() {
        assert_eq!(
            base64(b"Man") + &base64(b"Ma") + &base64(b"M"),
            "TWFuTWE=TQ=="
        );
    }
}
