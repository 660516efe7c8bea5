// Package scripts embeds the stock scripts.
package scripts

import "embed"

// FS holds the stock scripts by file name.
//
//go:embed *.lua
var FS embed.FS
