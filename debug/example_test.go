package debug_test

import (
	"encoding/json"
	"expvar"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"example.com/ebb/debug"
)

// A program that has a server for such things adds a page.
func ExampleHandler() {
	mux := http.NewServeMux()
	mux.Handle("/debug/ebb/", debug.Handler(&debug.Config{Program: "gateway"}))
	server := httptest.NewServer(mux)
	defer server.Close()

	answer, err := http.Get(server.URL + "/debug/ebb/" + debug.JSONName)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		fmt.Println(err)
		return
	}
	var figures debug.Snapshot
	if err := json.Unmarshal(body, &figures); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(figures.Program, figures.Version)
	// Output: gateway 1
}

// Sums for /debug/vars.
func ExampleVar() {
	expvar.Publish("ebb", debug.Var())
	var v debug.Variable
	if err := json.Unmarshal([]byte(expvar.Get("ebb").String()), &v); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(v.Totals.Ended <= v.Totals.Dialled+v.Totals.Accepted)
	// Output: true
}
