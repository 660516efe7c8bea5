// Package precompiled keeps the code of the stock scripts, so that a run need not
// parse and compile them first, which takes longer than asking a BMC.
//
// Make build fills the folder code: one file for each text, named by a digest of
// it. A text that was changed since, or comes from elsewhere, has none there, and
// is compiled when it is run; so is everything in a program that was built without
// make.
package precompiled

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"

	lua "github.com/yuin/gopher-lua"
)

//go:embed all:code
var folder embed.FS

// made is what the files were made with: the compiler, and the form of the files.
// It is part of their names, so that none is read that something else has made.
const made = "github.com/yuin/gopher-lua v1.1.2, form 1"

// Load gives the code of a text, if it is kept. Name is the file that the
// positions in errors are in.
func Load(name, text string) (code *lua.FunctionProto, kept bool) {
	encoded, err := folder.ReadFile("code/" + Key(text))
	if err != nil {
		return nil, false
	}
	return decode(name, encoded), true
}

// Key is the name of the file that keeps the code of a text.
func Key(text string) string {
	digest := sha256.New()
	digest.Write([]byte(made))
	var part [512]byte // on the stack: the whole text would be copied into the heap
	for rest := text; rest != ""; {
		n := copy(part[:], rest)
		digest.Write(part[:n])
		rest = rest[n:]
	}
	return hex.EncodeToString(digest.Sum(nil)[:16])
}
