package real

import (
	"os"
	"path/filepath"
)

// cacheFolder is where this program keeps what it can find out again:
// $XDG_CACHE_HOME/ctys, where that is not set ~/.cache/ctys. A relative
// $XDG_CACHE_HOME is ignored, as the XDG Base Directory Specification has it.
// Empty: there is no such place.
func cacheFolder() string {
	if folder := os.Getenv("XDG_CACHE_HOME"); filepath.IsAbs(folder) {
		return filepath.Join(folder, "ctys")
	}
	home, err := os.UserHomeDir()
	if err != nil || !filepath.IsAbs(home) {
		return ""
	}
	return filepath.Join(home, ".cache", "ctys")
}
