package main

import (
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// path carries datagrams between one client and a server, each direction after a delay, and loses some.
type path struct {
	front, back *net.UDPConn // for the client, and connected to the server
	client      atomic.Pointer[net.UDPAddr]
	delay       time.Duration
	loss        float64
	parts       sync.WaitGroup
}

// datagram is one on its way.
type datagram struct {
	due  time.Time
	data []byte
}

func newPath(server net.Addr, delay time.Duration, loss float64) (*path, error) {
	front, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	back, err := net.DialUDP("udp", nil, server.(*net.UDPAddr))
	if err != nil {
		front.Close()
		return nil, err
	}
	p := &path{front: front, back: back, delay: delay, loss: loss}
	p.carry(p.readFront, func(b []byte) { back.Write(b) })
	p.carry(back.Read, func(b []byte) {
		if to := p.client.Load(); to != nil {
			front.WriteToUDP(b, to)
		}
	})
	return p, nil
}

// readFront reads what the client sends, and notes where it is.
func (p *path) readFront(b []byte) (int, error) {
	n, from, err := p.front.ReadFromUDP(b)
	if err == nil {
		p.client.Store(from)
	}
	return n, err
}

// carry moves datagrams in one direction until the sockets are closed.
func (p *path) carry(read func([]byte) (int, error), write func([]byte)) {
	under := make(chan datagram, 1000) // what finds it full is lost too
	p.parts.Go(func() {
		defer close(under)
		for {
			b := make([]byte, 2000)
			n, err := read(b)
			if err != nil {
				return
			}
			if rand.Float64() < p.loss {
				continue
			}
			select {
			case under <- datagram{time.Now().Add(p.delay), b[:n]}:
			default:
			}
		}
	})
	p.parts.Go(func() {
		for d := range under {
			time.Sleep(time.Until(d.due))
			write(d.data)
		}
	})
}

func (p *path) close() {
	p.front.Close()
	p.back.Close()
	p.parts.Wait()
}
