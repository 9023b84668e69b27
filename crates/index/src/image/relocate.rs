//! Relocations of x86-64, as the kernel's module loader applies them, and the few more that debug sections have.

use object::elf;

/// The size of one relocation with addend.
pub(super) const ENTRY: usize = 24;

/// Applies relocations (`Elf64_Rela`) to a section that is loaded at an address, with these values of symbols.
pub(super) fn apply(bytes: &mut [u8], address: u64, relocations: &[u8], values: &[u64]) -> Result<(), String> {
    for entry in relocations.chunks_exact(ENTRY) {
        let Some((offset, rest)) = entry.split_first_chunk::<8>() else { break };
        let Some((info, rest)) = rest.split_first_chunk::<8>() else { break };
        let Some((addend, _)) = rest.split_first_chunk::<8>() else { break };
        let (offset, info) = (u64::from_le_bytes(*offset), u64::from_le_bytes(*info));
        let addend = u64::from_le_bytes(*addend);
        let (symbol, kind) = ((info >> 32) as usize, elf::RelocationType(info as u32));
        let value = values
            .get(symbol)
            .ok_or_else(|| format!("the relocation at {offset:#x} names symbol {symbol} of {}", values.len()))?;
        one(bytes, address, offset, kind, value.wrapping_add(addend))?;
    }
    Ok(())
}

/// Applies one, given the symbol's value plus the addend.
fn one(bytes: &mut [u8], address: u64, offset: u64, kind: elf::RelocationType, value: u64) -> Result<(), String> {
    let relative = value.wrapping_sub(address.wrapping_add(offset));
    let (value, width, fits) = match kind {
        elf::R_X86_64_NONE => return Ok(()),
        elf::R_X86_64_64 | elf::R_X86_64_DTPOFF64 => (value, 8, true),
        elf::R_X86_64_PC64 => (relative, 8, true),
        elf::R_X86_64_32 => (value, 4, value <= u64::from(u32::MAX)),
        elf::R_X86_64_32S => (value, 4, i32::try_from(value.cast_signed()).is_ok()),
        elf::R_X86_64_PC32 | elf::R_X86_64_PLT32 => (relative, 4, i32::try_from(relative.cast_signed()).is_ok()),
        elf::R_X86_64_16 => (value, 2, value <= u64::from(u16::MAX)),
        elf::R_X86_64_PC16 => (relative, 2, i16::try_from(relative.cast_signed()).is_ok()),
        elf::R_X86_64_8 => (value, 1, value <= u64::from(u8::MAX)),
        elf::R_X86_64_PC8 => (relative, 1, i8::try_from(relative.cast_signed()).is_ok()),
        other => return Err(format!("the relocation at {offset:#x} is of the unknown type {}", other.0)),
    };
    if !fits {
        return Err(format!("the relocation at {offset:#x} does not fit into {width} bytes: {value:#x}"));
    }
    let end = bytes.len();
    usize::try_from(offset)
        .ok()
        .and_then(|start| bytes.get_mut(start..start.checked_add(width)?))
        .ok_or_else(|| format!("the relocation at {offset:#x} lies outside of the section, which ends at {end:#x}"))?
        .copy_from_slice(&value.to_le_bytes()[..width]);
    Ok(())
}
