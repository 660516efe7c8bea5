package inventory

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestFold(t *testing.T) {
	for names, want := range map[string]string{
		"":                     "",
		"lab01":                "lab01",
		"bmc003 bmc001 bmc002": "bmc[001-003]",
		"bmc001 bmc002 bmc200": "bmc[001-002,200]",
		"lab01 lab03":          "lab[01,03]",
		"lab01 lab01":          "lab01",
		"web db":               "db web",
		"b2 a10 a9 b1":         "a[9-10] b[1-2]",

		// Zeros in front are part of the name.
		"n8 n9 n10 n11":  "n[8-11]",
		"n08 n09 n10":    "n[08-10]",
		"n1 n01 n2 n02":  "n[1,01,2,02]",
		"n098 n099 n100": "n[098-100]",
		"n99 n100 n0100": "n[99-100,0100]",
		"n0 n1 n00":      "n[0,00,1]",

		// The last number is folded; what stands behind it stays.
		"r1n01 r1n02 r2n01":           "r1n[01-02] r2n01",
		"lab1-ipmi lab2-ipmi lab3":    "lab[1-2]-ipmi lab3",
		"10.0.0.9 10.0.0.10 10.0.1.1": "10.0.0.[9-10] 10.0.1.1",
		"7 8 9":                       "[7-9]",

		// What would not be read back is left as it is.
		"x1234567890 x1234567891": "x1234567890 x1234567891",
		"[fe80::1] [fe80::2]":     "[fe80::1] [fe80::2]",
	} {
		if got := strings.Join(Fold(strings.Fields(names)), " "); got != want {
			t.Errorf("%s: folded to %q, want %q", names, got, want)
		}
	}
}

func TestSorted(t *testing.T) {
	got := strings.Join(Sorted(strings.Fields("lab10 lab2 lab1 a lab lab2b lab02 lab2")), " ")
	if want := "a lab lab1 lab2 lab2b lab02 lab10"; got != want {
		t.Errorf("sorted to %q, want %q", got, want)
	}
}

// Whatever is folded, Expand gives the same names again.
func TestWhatIsFoldedIsExpandedAgain(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	heads, tails := []string{"bmc", "lab0", "r1n", "10.0.0.", "a-", "x9y"}, []string{"", "", "-ipmi", ".site", "b"}
	for range 300 {
		var names []string
		for range 1 + random.IntN(60) {
			number := random.IntN([]int{12, 120, 2_000_000_000}[random.IntN(3)])
			width := random.IntN(5)
			names = append(names, fmt.Sprintf("%s%0*d%s", heads[random.IntN(len(heads))], width, number, tails[random.IntN(len(tails))]))
		}
		words := Fold(names)
		slices.Sort(names)
		names = slices.Compact(names)
		again, err := Empty().Expand(words)
		if err != nil {
			t.Fatalf("%q: %v", words, err)
		}
		if slices.Sort(again); !slices.Equal(again, names) {
			t.Fatalf("%q\nis %q\nand was %q", words, again, names)
		}
	}
}
