package main

import (
	"io"
	"io/fs"
	"strings"
	"time"
)

// fsFile is a folder that holds one file: the script that an operator named.
type fsFile struct{ name, text string }

// Open gives the file, or the folder that lists it.
func (f fsFile) Open(name string) (fs.File, error) {
	switch name {
	case ".":
		return &oneFolder{file: f}, nil
	case f.name:
		return &openText{f, strings.NewReader(f.text)}, nil
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

// openText is the file, open.
type openText struct {
	file fsFile
	*strings.Reader
}

func (o *openText) Stat() (fs.FileInfo, error) { return textInfo{o.file}, nil }
func (o *openText) Close() error               { return nil }

// oneFolder is the folder, open.
type oneFolder struct {
	file fsFile
	read bool
}

func (o *oneFolder) Stat() (fs.FileInfo, error) { return folderInfo{}, nil }
func (o *oneFolder) Close() error               { return nil }
func (o *oneFolder) Read([]byte) (int, error)   { return 0, fs.ErrInvalid }

func (o *oneFolder) ReadDir(n int) ([]fs.DirEntry, error) {
	if o.read {
		if n > 0 {
			return nil, io.EOF
		}
		return nil, nil
	}
	o.read = true
	return []fs.DirEntry{fs.FileInfoToDirEntry(textInfo{o.file})}, nil
}

type textInfo struct{ file fsFile }

func (t textInfo) Name() string     { return t.file.name }
func (t textInfo) Size() int64      { return int64(len(t.file.text)) }
func (textInfo) Mode() fs.FileMode  { return 0o400 }
func (textInfo) ModTime() time.Time { return time.Time{} }
func (textInfo) IsDir() bool        { return false }
func (textInfo) Sys() any           { return nil }

type folderInfo struct{}

func (folderInfo) Name() string       { return "." }
func (folderInfo) Size() int64        { return 0 }
func (folderInfo) Mode() fs.FileMode  { return fs.ModeDir | 0o500 }
func (folderInfo) ModTime() time.Time { return time.Time{} }
func (folderInfo) IsDir() bool        { return true }
func (folderInfo) Sys() any           { return nil }
