//! How long a shelf waits for its player, on a clock that jumps.

use tokio::time::advance;

use super::*;

/// Seconds from the first request until the shelf is given up, when it is filled `after` some.
async fn given_up(after: u64) -> u64 {
    let shelf = Arc::new(Shelf::new());
    let began = Instant::now();
    let idle = tokio::spawn({
        let shelf = Arc::clone(&shelf);
        async move { shelf.idle().await }
    });
    // It waits before anything has come.
    tokio::task::yield_now().await;
    advance(Duration::from_secs(after)).await;
    shelf.filled();
    idle.await.unwrap();
    began.elapsed().as_secs()
}

#[tokio::test(start_paused = true)]
async fn a_player_that_leaves_after_its_first_playlist_is_given_up_after_ten_seconds() {
    assert_eq!(given_up(3).await, 13);
    // A slow camera takes nothing from the time that its player has.
    assert_eq!(given_up(19).await, 29);
}

#[tokio::test(start_paused = true)]
async fn a_player_that_waits_for_its_first_segment_is_not_given_up() {
    let shelf = Shelf::new();
    assert!(timeout(FIRST_WAIT + Duration::from_secs(9), shelf.idle()).await.is_err());
    assert!(timeout(Duration::from_secs(2), shelf.idle()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_player_that_asks_on_is_kept() {
    let shelf = Shelf::new();
    shelf.filled();
    for _ in 0..9 {
        assert!(timeout(Duration::from_secs(9), shelf.idle()).await.is_err());
        shelf.touch();
    }
}
