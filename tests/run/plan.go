package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// stage is one call of go test.
type stage struct {
	title    string
	flags    []string
	packages []string
}

// rigs are the packages whose users boot machines; what imports one of them
// runs after everything else, one package at a time.
var rigs = []string{"ctys/tests/guests", "ctys/tests/machine", "ctys/tests/wake", "ctys/tests/kernel"}

func plan(ctx context.Context) ([]stage, error) {
	packages, err := list(ctx)
	if err != nil {
		return nil, err
	}
	var fast, booting []string
	for _, p := range packages {
		switch {
		case !p.hasTests():
		case p.boots():
			booting = append(booting, p.ImportPath)
		default:
			fast = append(fast, p.ImportPath)
		}
	}
	var race []string
	if raceMissing(ctx) == "" {
		race = []string{"-race"}
	}
	return []stage{
		{"packages", append([]string{"-p", "2", "-timeout", "10m"}, race...), fast},
		{"machines", append([]string{"-p", "1", "-timeout", "15m"}, race...), booting},
	}, nil
}

// pkg is what go list tells of a package.
type pkg struct {
	ImportPath                         string
	TestGoFiles, XTestGoFiles          []string
	Imports, TestImports, XTestImports []string
}

func (p pkg) hasTests() bool { return len(p.TestGoFiles)+len(p.XTestGoFiles) > 0 }

func (p pkg) boots() bool {
	uses := slices.Concat([]string{p.ImportPath}, p.Imports, p.TestImports, p.XTestImports)
	return slices.ContainsFunc(uses, func(path string) bool { return slices.Contains(rigs, path) })
}

func list(ctx context.Context) ([]pkg, error) {
	out, err := goTool(ctx, "list", "-json=ImportPath,TestGoFiles,XTestGoFiles,Imports,TestImports,XTestImports", "./...")
	if err != nil {
		return nil, err
	}
	var packages []pkg
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := decoder.Decode(&p); err == io.EOF {
			return packages, nil
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		packages = append(packages, p)
	}
}

// raceMissing says why the race detector cannot be used: on Linux it needs cgo
// and with it a C compiler. Empty where it can.
func raceMissing(ctx context.Context) string {
	if os.Getenv("CGO_ENABLED") == "0" {
		return "CGO_ENABLED is 0"
	}
	out, err := goTool(ctx, "env", "CC")
	words := strings.Fields(string(out))
	if err != nil || len(words) == 0 {
		return "Go knows no C compiler"
	}
	if _, err := exec.LookPath(words[0]); err != nil {
		return "the C compiler " + words[0] + " is missing"
	}
	return ""
}

func goTool(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
	}
	return out, nil
}
