// Package strictyaml decodes YAML into structs and refuses what it does not know.
// Every mistake carries file, line and column, and all mistakes of a file are
// reported together, which is why the YAML library's own strict mode is not used:
// that one stops at the first.
//
// It is not a general YAML reader. One document in UTF-8; anchors, aliases, merge
// keys, tags and directives are refused, since a configuration needs none of them
// and the first three can make a small file expand without bound. Nesting, and the number of
// keys in a mapping, are bounded before the file is parsed. The size is the caller's to bound.
//
// # Scalars
//
// The type of a plain scalar is that of YAML 1.2's core schema, with less guessing:
//
//   - true and false (also True, TRUE, False, FALSE) are booleans. yes, no, on and
//     off are strings; where a boolean is wanted they are refused with the right word.
//   - Whole numbers are decimal, 0x or 0o. Others with a leading zero (017) are
//     refused as numbers, since YAML 1.1 reads them as octal. Underscores make a string.
//   - A string is wanted and a plain number or boolean is found: refused, with the
//     advice to quote it. Readers in other languages would see another type there.
//   - null, ~ and nothing at all leave a mapping, list, map or pointer as it was; any
//     other destination refuses them.
//   - A quoted scalar is a string and nothing else.
//   - A scalar that Document.Expand has changed has no type of its own: it fits every
//     destination that can read its text.
//
// Types that implement encoding.TextUnmarshaler get the text of any scalar but null.
// Their error should say what is expected, not what was found: that is added, and
// left unsaid where the text was expanded and may be a secret.
package strictyaml
