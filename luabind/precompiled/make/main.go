// Make compiles the stock scripts into the folder code of package precompiled,
// and removes what lies there of other texts. Make build calls it from the top
// of the tree, before it builds the program that embeds the folder.
package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"ctys/luabind/precompiled"
	"ctys/scripts"
	"ctys/stdlib"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/parse"
)

func main() {
	if err := fill("luabind/precompiled/code"); err != nil {
		fmt.Fprintln(os.Stderr, "precompiled:", err)
		os.Exit(1)
	}
}

func fill(folder string) error {
	wanted := map[string]bool{".gitignore": true}
	for _, stock := range []fs.FS{scripts.FS, stdlib.FS} {
		err := fs.WalkDir(stock, ".", func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(name, ".lua") {
				return err
			}
			text, err := fs.ReadFile(stock, name)
			if err != nil {
				return err
			}
			key := precompiled.Key(string(text))
			wanted[key] = true
			return write(filepath.Join(folder, key), name, string(text))
		})
		if err != nil {
			return err
		}
	}
	return removeOthers(folder, wanted)
}

func write(file, name, text string) error {
	chunk, err := parse.Parse(strings.NewReader(text), name)
	if err != nil {
		return err
	}
	code, err := lua.Compile(chunk, name)
	if err != nil {
		return err
	}
	encoded, err := precompiled.Encode(code)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return os.WriteFile(file, encoded, 0o644)
}

func removeOthers(folder string, wanted map[string]bool) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if !wanted[entry.Name()] {
			if err := os.Remove(filepath.Join(folder, entry.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}
