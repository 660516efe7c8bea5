package inventory

import "strings"

// slip gives the known key that key looks like a mistyped form of: another
// case, or one letter left out, added, changed or swapped with its neighbour.
// It is empty where key is itself known or unlike all of them.
func slip(key string, known []string) string {
	for _, k := range known {
		if key == k {
			return ""
		}
	}
	for _, k := range known {
		if strings.EqualFold(key, k) || oneEdit(key, k) {
			return k
		}
	}
	return ""
}

// oneEdit tells whether one edit leads from a to b, which differ.
func oneEdit(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	if len(b)-len(a) > 1 {
		return false
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	if len(a) < len(b) {
		return a[i:] == b[i+1:]
	}
	if a[i+1:] == b[i+1:] {
		return true
	}
	return i+1 < len(a) && a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:]
}
