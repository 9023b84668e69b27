//! The kernel's own tables of symbols, as `scripts/kallsyms.c` writes them. Also for fuzzing, so nothing of the crate here.

/// Where the kernel begins.
pub const BASE: u64 = 0xffff_ffff_8100_0000;

/// Which of the build's arrangements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Arrangement {
    /// Addresses first (6.1); those of per-CPU variables are numbers of their own.
    AddressesFirst,
    /// Addresses last (6.4 and later).
    AddressesLast,
    /// The same, with all addresses counted from the base (6.15 and later).
    OneKind,
}

/// Tables of these symbols (type and name, address), with what else may stand around them.
pub fn tables(symbols: &[(String, u64)], arrangement: Arrangement) -> Vec<u8> {
    let strings: Vec<Vec<u8>> = (0..=255_u8)
        .map(|token| match token {
            0x80 => b"lock_".to_vec(),
            0x81 => b"Tsys_".to_vec(),
            // Characters that no name has are free, and mostly used up.
            b'!' => b"really_".to_vec(),
            _ if token.is_ascii_graphic() => vec![token],
            _ => Vec::new(),
        })
        .collect();
    let pack = |mut name: &[u8]| {
        let mut packed = Vec::new();
        while !name.is_empty() {
            let fits = |s: &Vec<u8>| !s.is_empty() && name.starts_with(s);
            let (token, string) =
                (0..=255_u8).zip(&strings).filter(|(_, s)| fits(s)).max_by_key(|(_, s)| s.len()).unwrap();
            packed.push(token);
            name = &name[string.len()..];
        }
        packed
    };
    let mut names = Vec::new();
    let mut markers = Vec::new();
    for (number, (name, _)) in symbols.iter().enumerate() {
        if number % 256 == 0 {
            markers.extend_from_slice(&u32::try_from(names.len()).unwrap().to_le_bytes());
        }
        let packed = pack(name.as_bytes());
        if packed.len() < 0x80 {
            names.push(u8::try_from(packed.len()).unwrap());
        } else {
            names.extend_from_slice(&[packed.len() as u8 & 0x7f | 0x80, (packed.len() >> 7) as u8]);
        }
        names.extend_from_slice(&packed);
    }
    let offset = |address: u64| match arrangement {
        Arrangement::OneKind => address.wrapping_sub(BASE) as u32,
        _ if address < BASE => address as u32,
        _ => BASE.wrapping_sub(1).wrapping_sub(address) as u32,
    };
    let offsets: Vec<u8> = symbols.iter().flat_map(|(_, address)| offset(*address).to_le_bytes()).collect();
    let mut token_table = Vec::new();
    let mut token_index = Vec::new();
    for string in &strings {
        token_index.extend_from_slice(&u16::try_from(token_table.len()).unwrap().to_le_bytes());
        token_table.extend_from_slice(string);
        token_table.push(0);
    }
    let number = (symbols.len() as u64).to_le_bytes().to_vec();
    let addresses = [offsets, BASE.to_le_bytes().to_vec()];
    let seqs = vec![7_u8; symbols.len() * 3];
    let text = [number, names, markers];
    let tokens = [token_table, token_index];
    let parts: Vec<Vec<u8>> = match arrangement {
        Arrangement::AddressesFirst => [&addresses[..], &text, &[seqs], &tokens].concat(),
        _ => [&text[..], &tokens, &addresses, &[seqs]].concat(),
    };
    let mut bytes = b"what stands before: 0\x001\x002\x003\x004\x005\x006\x007\x008\x009\0 and no more".to_vec();
    for part in parts {
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes.extend(part);
    }
    bytes.extend_from_slice(&[1; 100]);
    bytes
}

/// Two numbers, and some hundred functions and variables, one with a long name.
pub fn some_symbols() -> Vec<(String, u64)> {
    let mut symbols = vec![("Apercpu_thing".to_owned(), 0x20), ("Anumber".to_owned(), 0x1000)];
    for number in 0..700_u64 {
        symbols.push((format!("Tsys_number_{number}"), BASE + number * 64));
        symbols.push((
            format!(
                "b{}lock_{number}",
                if number == 5 { "really_".repeat(30) + &"x".repeat(150) } else { String::new() }
            ),
            BASE + number * 64 + 32,
        ));
    }
    symbols
}
