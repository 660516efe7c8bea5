package real

import "testing"

func TestCacheFolder(t *testing.T) {
	t.Setenv("HOME", "/home/somebody")
	for cache, want := range map[string]string{
		"/var/cache/somebody": "/var/cache/somebody/ctys",
		"relative":            "/home/somebody/.cache/ctys",
		"":                    "/home/somebody/.cache/ctys",
	} {
		t.Setenv("XDG_CACHE_HOME", cache)
		if got := cacheFolder(); got != want {
			t.Errorf("XDG_CACHE_HOME=%q: %q, want %q", cache, got, want)
		}
	}
	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv("HOME", "")
	if got := cacheFolder(); got != "" {
		t.Errorf("without a home: %q", got)
	}
}
