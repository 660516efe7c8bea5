// Package stdlib is the vocabulary that scripts share, as Lua modules in an
// embedded file tree: each module states its use in its first lines.
package stdlib

import "embed"

// FS holds the modules; `require "subopts"` reads subopts.lua. Drivers of
// hypervisors are in the folder drivers.
//
//go:embed *.lua drivers
var FS embed.FS
