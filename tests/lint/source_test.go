package lint

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// root is the top of the repository, from this folder.
const root = "../.."

// source is one Go file that is not a test, whatever system it is for.
type source struct {
	path string // from the top, with slashes
	fset *token.FileSet
	file *ast.File
}

// sources parses every such file below the folders.
func sources(t *testing.T, folders ...string) []source {
	t.Helper()
	var list []source
	for _, folder := range folders {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			relative, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			fset := token.NewFileSet()
			file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
			list = append(list, source{filepath.ToSlash(relative), fset, file})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return list
}

// from parses a text as if it were a file of the tree.
func from(t *testing.T, path, text string) source {
	t.Helper()
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, path, text, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return source{path, fset, file}
}

// at is the place of a node as an editor takes it.
func (s source) at(node ast.Node) string {
	return fmt.Sprintf("%s:%d", s.path, s.fset.Position(node.Pos()).Line)
}

// imports gives the paths that the file imports, by the node.
func (s source) imports() map[*ast.ImportSpec]string {
	paths := map[*ast.ImportSpec]string{}
	for _, spec := range s.file.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err == nil {
			paths[spec] = path
		}
	}
	return paths
}

// nameOf is what the file calls a package of the standard library; empty where
// it does not import it.
func (s source) nameOf(path string) string {
	for spec, its := range s.imports() {
		switch {
		case its != path:
		case spec.Name != nil:
			return spec.Name.Name
		default:
			return path[strings.LastIndexByte(path, '/')+1:]
		}
	}
	return ""
}
